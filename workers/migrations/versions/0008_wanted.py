"""How a job's results are wanted."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; jobs from before are answered as they were."""
    with op.batch_alter_table("jobs") as table:
        table.add_column(sa.Column("wanted", sa.JSON(), nullable=False, server_default="{}"))


def downgrade() -> None:
    """Remove it."""
    with op.batch_alter_table("jobs") as table:
        table.drop_column("wanted")
