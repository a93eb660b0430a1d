"""The secret before the last signs callbacks for a time; the last jobs that went well are found by an index."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add both columns, and the index in place of that of the state alone."""
    op.add_column("callback_secrets", sa.Column("old_secret", sa.String(64), nullable=False, server_default=""))
    op.add_column("callback_secrets", sa.Column("old_until", sa.Float(), nullable=False, server_default="0"))
    op.drop_index("ix_jobs_state", "jobs")
    op.create_index("jobs_state_finished", "jobs", ["state", "finished"])


def downgrade() -> None:
    """Remove them."""
    op.drop_index("jobs_state_finished", "jobs")
    op.create_index("ix_jobs_state", "jobs", ["state"])
    op.drop_column("callback_secrets", "old_until")
    op.drop_column("callback_secrets", "old_secret")
