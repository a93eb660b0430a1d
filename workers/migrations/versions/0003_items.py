"""The catalogue's items, with a spatial index: an R*Tree on SQLite, GiST over boxes on Postgres."""

import json
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)

# An item has the id 2n; the part of it beyond the antimeridian, if any, 2n + 1. The tree rounds outwards.
_ENTER = """
    INSERT INTO items_boxes VALUES (
        2 * NEW.num, NEW.west, CASE WHEN NEW.west > NEW.east THEN 180.0 ELSE NEW.east END, NEW.south, NEW.north);
    INSERT INTO items_boxes SELECT 2 * NEW.num + 1, -180.0, NEW.east, NEW.south, NEW.north WHERE NEW.west > NEW.east;
"""
_LEAVE = "DELETE FROM items_boxes WHERE id IN (2 * OLD.num, 2 * OLD.num + 1);"
_SQLITE = (
    "CREATE VIRTUAL TABLE items_boxes USING rtree(id, west, east, south, north)",
    f"CREATE TRIGGER items_enter AFTER INSERT ON items BEGIN {_ENTER} END",
    f"CREATE TRIGGER items_leave AFTER DELETE ON items BEGIN {_LEAVE} END",
    f"CREATE TRIGGER items_move AFTER UPDATE OF west, south, east, north ON items BEGIN {_LEAVE} {_ENTER} END",
)

# Longitudes run on past 180 here, so that a footprint across the antimeridian is one box.
_POSTGRES = (
    "CREATE INDEX items_boxes ON items USING gist "
    "(box(point(west, south), point(CASE WHEN west > east THEN east + 360 ELSE east END, north)))",
)


def upgrade() -> None:
    """Create the table and its index, and enter the scenes that are there."""
    op.create_table(
        "items",
        sa.Column("num", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("collection", sa.String(16), nullable=False),
        sa.Column("id", sa.String(128), nullable=False),
        sa.Column("scene_id", sa.String(64), sa.ForeignKey("scenes.id", ondelete="CASCADE"), nullable=True),
        sa.Column("job_id", sa.String(36), sa.ForeignKey("jobs.id", ondelete="CASCADE"), nullable=True),
        sa.Column("document", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("acquired", _TIME, nullable=False),
        *(sa.Column(side, sa.Float(), nullable=False) for side in ("west", "south", "east", "north")),
        sa.Column("cloud_pct", sa.Float(), nullable=True),
        sa.Column("gsd_m", sa.Float(), nullable=True),
        sa.Column("platform", sa.String(128), nullable=True),
        sa.Column("created", _TIME, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("items_collection_id", "items", ["collection", "id"], unique=True)
    op.create_index("ix_items_scene_id", "items", ["scene_id"])
    op.create_index("ix_items_job_id", "items", ["job_id"])
    op.create_index("items_owner_acquired", "items", ["owner", "acquired", "num"])
    op.create_index("items_owner_collection_acquired", "items", ["owner", "collection", "acquired", "num"])
    op.create_index("items_owner_cloud_pct", "items", ["owner", "cloud_pct"])
    for statement in _SQLITE if op.get_bind().dialect.name == "sqlite" else _POSTGRES:
        op.get_bind().exec_driver_sql(statement)
    _enter_scenes()


def downgrade() -> None:
    """Drop the table; its triggers and indexes go with it."""
    op.drop_table("items")
    if op.get_bind().dialect.name == "sqlite":
        op.get_bind().exec_driver_sql("DROP TABLE items_boxes")


def _enter_scenes() -> None:
    connection = op.get_bind()
    items = sa.Table("items", sa.MetaData(), autoload_with=connection)
    found = connection.execute(sa.text("SELECT owner, item FROM scenes WHERE state = 'ready' AND item IS NOT NULL"))
    for owner, stored in found.all():
        item = json.loads(stored) if isinstance(stored, str) else stored
        properties, (west, south, east, north) = item["properties"], item["bbox"]
        connection.execute(
            items.insert().values(
                owner=owner, collection="scenes", id=item["id"], scene_id=item["id"], west=west, south=south, east=east,
                north=north, acquired=datetime.fromisoformat(properties["datetime"].replace("Z", "+00:00")),
                cloud_pct=properties.get("eo:cloud_cover"), gsd_m=properties.get("gsd"),
                platform=properties.get("platform"), created=datetime.now(UTC),
            )
        )  # fmt: skip
