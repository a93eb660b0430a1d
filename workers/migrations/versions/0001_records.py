"""Scenes, jobs, blocks, products."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the first tables."""
    op.create_table(
        "scenes",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("upload", sa.JSON(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("item", sa.JSON(), nullable=True),
        sa.Column("acquired", _TIME, nullable=True),
        sa.Column("parts", sa.JSON(), nullable=False),
        sa.Column("cleaned", sa.Boolean(), nullable=False),
        sa.Column("created", _TIME, nullable=False),
        sa.Column("updated", _TIME, nullable=False),
        *_leased(),
    )
    op.create_index("ix_scenes_owner", "scenes", ["owner"])
    op.create_index("ix_scenes_state", "scenes", ["state"])
    op.create_index("ix_scenes_acquired", "scenes", ["acquired"])
    op.create_index("scenes_owner_sha256", "scenes", ["owner", "sha256"], unique=True)
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("inputs", sa.JSON(), nullable=False),
        sa.Column("plan", sa.JSON(), nullable=True),
        sa.Column("blocks_total", sa.Integer(), nullable=False),
        sa.Column("blocks_done", sa.Integer(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("cleaned", sa.Boolean(), nullable=False),
        sa.Column("created", _TIME, nullable=False),
        sa.Column("started", _TIME, nullable=True),
        sa.Column("finished", _TIME, nullable=True),
        sa.Column("updated", _TIME, nullable=False),
        *_leased(),
    )
    op.create_index("ix_jobs_owner", "jobs", ["owner"])
    op.create_index("ix_jobs_state", "jobs", ["state"])
    op.create_table(
        "blocks",
        _of_job(),
        sa.Column("index", sa.Integer(), primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
        *_leased(),
    )
    op.create_index("ix_blocks_state", "blocks", ["state"])
    op.create_table(
        "products",
        _of_job(),
        sa.Column("name", sa.String(128), primary_key=True),
        sa.Column("media_type", sa.String(128), nullable=False),
        sa.Column("title", sa.String(256), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
    )


def downgrade() -> None:
    """Drop the tables."""
    for table in ("products", "blocks", "jobs", "scenes"):
        op.drop_table(table)


def _leased() -> list[sa.Column[object]]:
    return [
        sa.Column("lease_token", sa.String(32), nullable=False),
        sa.Column("lease_until", sa.Float(), nullable=False),
        sa.Column("sent_at", sa.Float(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
    ]


def _of_job() -> sa.Column[str]:
    return sa.Column("job_id", sa.String(36), sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
