"""Uploads that come in pieces."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create their table."""
    op.create_table(
        "uploads",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("filename", sa.String(150), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("metadata_header", sa.Text(), nullable=False),
        sa.Column("scene_id", sa.String(64), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_uploads_expires", "uploads", ["expires"])


def downgrade() -> None:
    """Remove it."""
    op.drop_table("uploads")
