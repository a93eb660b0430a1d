"""When the last block of a job was done, so that what its products took tells how long the next job's will take."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; older jobs tell nothing."""
    op.add_column("jobs", sa.Column("segmented", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Remove it."""
    op.drop_column("jobs", "segmented")
