"""Planning: from an area, a period and a model to the scenes, dates, grid and blocks of a job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date
from typing import Any, get_args

import shapely
from odc.geo.geobox import GeoBox
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from geo.aoi import Area, check_area, parse_aoi, project, swapped
from geo.blocks import Block, cut_blocks, even_size
from geo.dates import DateBy, group_scenes
from geo.errors import GeoError
from geo.grid import output_geobox, true_res_m
from geo.lattice import crs_of
from geo.scene import Scene
from models.card import Card
from models.engines.flips import check_averages
from models.errors import ModelUnsuited
from workers.errors import JobRefused
from workers.plan import Plan, PlannedDate

RES_FACTOR = 3.0
"""Scenes whose pixels are coarser or finer than a model's by more than this are refused."""

MAX_DATES = 10_000


@dataclass(frozen=True)
class Request:
    """What a job asks for.

    Attributes:
        aoi: GeoJSON, WGS84; None: everything that the scenes cover.
        start, end: period in UTC days, both inclusive; None: open.
        date_by: which scenes are one date (`geo.dates.group_scenes`).
        min_area_ha: smallest polygon.
        simplify_px: tolerance of the polygons' outlines, in pixels.
        tta: test-time augmentation: the mean over mirror images, at four times the time.
    """

    aoi: Mapping[str, Any] | None = None
    start: date | None = None
    end: date | None = None
    date_by: DateBy = "day"
    min_area_ha: float = 0.0
    simplify_px: float = 0.0
    tta: bool = False

    def __post_init__(self) -> None:
        if self.start and self.end and self.start > self.end:
            raise JobRefused(f"the period begins on {self.start} and ends before that, on {self.end}: exchange them")
        if self.date_by not in get_args(DateBy):
            raise JobRefused(f"expected date_by as one of {', '.join(get_args(DateBy))}; got {self.date_by!r}")
        if not (self.min_area_ha >= 0 and self.simplify_px >= 0):
            raise JobRefused("min_area_ha and simplify_px must be zero or more")


def make_plan(scenes: Sequence[Scene], request: Request, card: Card, *, block_px: int, max_aoi_km2: float) -> Plan:
    """Plan a job. The same scenes and request give the same plan, in whatever order the scenes come.

    Args:
        scenes: all that the owner has; those that fit area and period are picked.
        request: what the job asks for.
        card: of the model that is to run.
        block_px: largest edge of a block's core.
        max_aoi_km2: largest area.

    Raises:
        JobRefused: no scene fits, or those that fit cannot be used together or by this model.
    """
    if not scenes:
        raise JobRefused("there are no scenes: send at least one first")
    try:
        if request.tta:
            check_averages(card)
        area = _area(scenes, request, max_aoi_km2)
        chosen = _choose(sorted(scenes, key=lambda scene: scene.id), area.geometry, request)
        _check_scenes(chosen, card)
        geobox = output_geobox(chosen, area.geometry, card.stride_px)
    except (GeoError, ModelUnsuited) as err:
        raise JobRefused(str(err)) from err
    dates = tuple(
        PlannedDate(group.label, group.day, tuple(scene.id for scene in group.scenes))
        for group in group_scenes(chosen, request.date_by)
    )
    if len(dates) > MAX_DATES:
        raise JobRefused(f"the period holds {len(dates):,} dates; at most {MAX_DATES:,}: choose a shorter one")
    edge = max(block_px // card.stride_px, 1) * card.stride_px
    return Plan(
        model_id=card.id,
        model_hash=card.hashes.get("weights.safetensors", ""),
        geobox=geobox,
        aoi=area.geometry,
        dates=dates,
        blocks=blocks_in(area.geometry, geobox, edge, card.stride_px),
        block_px=edge,
        halo_px=card.halo_px,
        min_area_ha=request.min_area_ha,
        simplify_px=request.simplify_px,
        tta=request.tta,
    )


def blocks_in(aoi: BaseGeometry, geobox: GeoBox, block_px: int, stride_px: int) -> tuple[Block, ...]:
    """Cut a grid into even blocks and keep those that touch an area; they are numbered anew."""
    rows, cols = geobox.shape
    edges = even_size(rows, block_px, stride_px), even_size(cols, block_px, stride_px)
    blocks = list(cut_blocks((rows, cols), edges))
    middle, _ = geobox.affine * (cols / 2, rows / 2)
    inside = project(aoi, crs_of(geobox), middle)
    boxes = [shapely.box(*block.core(geobox).boundingbox) for block in blocks]
    touching = sorted(shapely.STRtree(boxes).query(inside, predicate="intersects").tolist())
    return tuple(
        Block(number, blocks[at].row, blocks[at].col, blocks[at].height, blocks[at].width)
        for number, at in enumerate(touching)
    )


def _area(scenes: Sequence[Scene], request: Request, max_km2: float) -> Area:
    if request.aoi is not None:
        area = parse_aoi(request.aoi)
    else:
        area = parse_aoi(mapping(shapely.union_all([scene.footprint for scene in _in_period(scenes, request)])))
    check_area(area, max_km2)
    return area


def _in_period(scenes: Sequence[Scene], request: Request) -> list[Scene]:
    first, last = request.start or date.min, request.end or date.max
    found = [scene for scene in scenes if first <= _day(scene) <= last]
    if not found:
        raise JobRefused(_no_date(scenes, request))
    return found


def _choose(scenes: Sequence[Scene], aoi: BaseGeometry, request: Request) -> list[Scene]:
    shapely.prepare(aoi)
    over = [scene for scene in scenes if _overlaps(scene, aoi)]
    if not over:
        raise JobRefused(_no_scene(scenes, aoi))
    return _in_period(over, request)


def _overlaps(scene: Scene, aoi: BaseGeometry) -> bool:
    return bool(aoi.intersects(scene.footprint)) and bool(aoi.intersection(scene.footprint).area > 0)


def _no_scene(scenes: Sequence[Scene], aoi: BaseGeometry) -> str:
    other = swapped(aoi)
    if other is not None and any(_overlaps(scene, other) for scene in scenes):
        return (
            "the area of interest lies outside of all scenes, but with longitude and latitude exchanged it would meet "
            "them: its axes look swapped; GeoJSON positions are [longitude, latitude]"
        )
    return (
        f"the area of interest ({_box(aoi)}) lies outside of all {len(scenes)} scene(s), "
        f"which cover {_box(shapely.union_all([scene.footprint for scene in scenes]))}"
    )


def _no_date(scenes: Sequence[Scene], request: Request) -> str:
    days = sorted({_day(scene) for scene in scenes})
    before = [day for day in days if request.start and day < request.start]
    after = [day for day in days if request.end and day > request.end]
    nearest = [str(day) for day in (*before[-1:], *after[:1])]
    period = f"{request.start or 'the beginning'} to {request.end or 'the end'}"
    return f"no scene in the period {period}; the nearest: {' and '.join(nearest)}"


def _check_scenes(scenes: Sequence[Scene], card: Card) -> None:
    for scene in scenes:
        missing = [band for band in card.bands if band not in scene.bands]
        if missing:
            raise JobRefused(
                f"model {card.id} reads {', '.join(card.bands)}; scene {scene.id} has {', '.join(scene.bands)} and "
                f"lacks {', '.join(missing)}: name its bands, or leave it out"
            )
        res_m, (finest, coarsest) = true_res_m(scene.geobox), card.res_m
        if not finest / RES_FACTOR <= res_m <= coarsest * RES_FACTOR:
            raise JobRefused(
                f"scene {scene.id} has pixels of {res_m:.3g} m; model {card.id} was trained for {finest:g} to "
                f"{coarsest:g} m: resample the scene, or use another model"
            )


def _day(scene: Scene) -> date:
    return scene.acquired.astimezone(UTC).date()


def _box(geometry: BaseGeometry) -> str:
    west, south, east, north = geometry.bounds
    return f"longitude {west:.4f} to {east:.4f}, latitude {south:.4f} to {north:.4f}"
