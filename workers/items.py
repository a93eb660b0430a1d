"""The catalogue: one record for every STAC Item that can be searched, of a scene or of a job's masks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, Float, ForeignKey, Index, Integer, String, delete
from sqlalchemy.orm import Mapped, Session, mapped_column

from workers.records import Record, UtcDateTime, now


class Collection(StrEnum):
    """The collections of the catalogue."""

    SCENES = "scenes"
    MASKS = "masks"


class ItemRecord(Record):
    """What a search asks of an Item; the Item itself is `document`, or that of its scene.

    `num` counts in the order of entering. `west` is greater than `east` where the footprint crosses the antimeridian.
    A record goes with its scene or job. The migration `0003_items` adds a spatial index that follows this table.
    """

    __tablename__ = "items"

    num: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    owner: Mapped[str] = mapped_column(String(64))
    collection: Mapped[str] = mapped_column(String(16))
    id: Mapped[str] = mapped_column(String(128))
    scene_id: Mapped[str | None] = mapped_column(ForeignKey("scenes.id", ondelete="CASCADE"), index=True)
    job_id: Mapped[str | None] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), index=True)
    document: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    acquired: Mapped[datetime] = mapped_column(UtcDateTime)
    west: Mapped[float] = mapped_column(Float)
    south: Mapped[float] = mapped_column(Float)
    east: Mapped[float] = mapped_column(Float)
    north: Mapped[float] = mapped_column(Float)
    cloud_pct: Mapped[float | None] = mapped_column(Float)
    gsd_m: Mapped[float | None] = mapped_column(Float)
    platform: Mapped[str | None] = mapped_column(String(128))
    created: Mapped[datetime] = mapped_column(UtcDateTime, default=now)

    __table_args__ = (
        Index("items_collection_id", "collection", "id", unique=True),
        Index("items_owner_acquired", "owner", "acquired", "num"),
        Index("items_owner_collection_acquired", "owner", "collection", "acquired", "num"),
        Index("items_owner_cloud_pct", "owner", "cloud_pct"),
        {"sqlite_autoincrement": True},
    )


def item_of_scene(owner: str, item: Mapping[str, Any]) -> ItemRecord:
    """Return the catalogue's record of a scene; the Item stays in the scene's record."""
    return ItemRecord(collection=Collection.SCENES, scene_id=item["id"], **_searched(owner, item))


def item_of_mask(owner: str, job_id: str, item: dict[str, Any]) -> ItemRecord:
    """Return the catalogue's record of a job's mask, which holds its Item."""
    return ItemRecord(collection=Collection.MASKS, job_id=job_id, document=item, **_searched(owner, item))


def forget_masks(session: Session, job_id: str) -> None:
    """Take a job's masks out of the catalogue, within the caller's transaction."""
    session.execute(delete(ItemRecord).where(ItemRecord.job_id == job_id))


def _searched(owner: str, item: Mapping[str, Any]) -> dict[str, Any]:
    properties = item["properties"]
    west, south, east, north = item["bbox"]
    return {
        "owner": owner,
        "id": item["id"],
        "acquired": datetime.fromisoformat(properties["datetime"].replace("Z", "+00:00")),
        "west": west,
        "south": south,
        "east": east,
        "north": north,
        "cloud_pct": properties.get("eo:cloud_cover"),
        "gsd_m": properties.get("gsd"),
        "platform": properties.get("platform"),
    }
