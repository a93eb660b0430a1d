"""How many bytes a scene and its upload take. Scenes that are there tell it by their Items."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_AT_ONCE = 1000


def upgrade() -> None:
    """Add the columns; uploads that are being read at this moment are let off."""
    for name in ("size", "upload_size"):
        op.add_column("scenes", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
    connection, after = op.get_bind(), ""
    scenes = sa.table("scenes", sa.column("id"), sa.column("item"), sa.column("size"))
    ready = sa.text(
        "SELECT id, item FROM scenes WHERE state = 'ready' AND item IS NOT NULL AND id > :after ORDER BY id LIMIT :most"
    )
    while found := connection.execute(ready, {"after": after, "most": _AT_ONCE}).all():
        for id_, stored in found:
            item = json.loads(stored) if isinstance(stored, str) else stored
            size = sum(int(asset.get("file:size", 0)) for asset in (item.get("assets") or {}).values())
            connection.execute(scenes.update().where(scenes.c.id == id_).values(size=size))
        after = found[-1][0]


def downgrade() -> None:
    """Remove them."""
    for name in ("size", "upload_size"):
        op.drop_column("scenes", name)
