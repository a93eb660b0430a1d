"""When the first and the last block of a job were done: how fast it goes, and what its products took."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; older jobs tell nothing."""
    op.add_column("jobs", sa.Column("first_block", sa.DateTime(timezone=True), nullable=True))
    op.add_column("jobs", sa.Column("segmented", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Remove them."""
    op.drop_column("jobs", "first_block")
    op.drop_column("jobs", "segmented")
