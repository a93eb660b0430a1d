"""One block, from files to files: dates are read, segmented and written one after the other.

In memory at any time: the network's state, two dates of one window, and a few planes of the block's core; so memory
depends neither on the scene's size nor on the number of dates. While the network computes date t, a thread reads t+1.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from geo.aoi import aoi_mask
from geo.blocks import Block, Window
from geo.lattice import crs_of
from geo.reader import DateReader, Pixels, data_window, gdal_env
from geo.scene import Scene
from models.card import Card
from models.engine import Engine
from models.settling import settle
from workers.history import History
from workers.instances import PIECES, recording
from workers.plan import Plan

FILES = ("masks.tif", "observed.tif", "summary.tif")
"""What a block leaves, whatever the network."""

SUMMARY_BANDS = ("change_date", "first_seen", "last_seen", "confidence", "last_look")
OBSERVED_NODATA = 255


def files_of(card: Card) -> tuple[str, ...]:
    """Return the names of the files that a block leaves."""
    return (*FILES, PIECES) if card.tiling == "instances" else FILES


def segment_block(
    plan: Plan,
    block: Block,
    scenes: Mapping[str, Scene],
    engine: Engine,
    out_dir: Path,
    between_dates: Callable[[int], None],
) -> None:
    """Segment one block of a plan.

    Writes, for the block's core, into `out_dir` (all at the end, each renamed into place; the same input gives
    the same bytes; nothing is left when an error goes through):
      masks.tif     uint8, a band per date described by its label: class ids, 255 outside the area or never clear yet.
      observed.tif  uint8, a band per date: 1 clear, 0 not clear, 255 outside the area.
      summary.tif   int32, bands as `workers.history.History` tells them: change_date, first_seen,
                    last_seen, confidence, last_look.
      instances.npz only where the network finds instances: what each tile showed on each date (`workers.instances`).

    Args:
        plan: of the job.
        block: one of the plan's.
        scenes: by id, at least those of the plan.
        engine: holds the plan's model.
        out_dir: folder; made if missing.
        between_dates: called with the index of each date before it is segmented; what it raises ends the work.

    Raises:
        StackRefused: a scene cannot be read.
    """
    card = engine.card
    window = window_of(plan, block, scenes, card.stride_px)
    grid = block.core(plan.geobox)
    inside = aoi_mask(plan.aoi, grid)
    history = History(inside, card.change)
    out_dir.mkdir(parents=True, exist_ok=True)
    parts = {name: out_dir / f".{name}.part" for name in files_of(card)}
    try:
        with gdal_env(), ExitStack() as files:
            labels = [date.label for date in plan.dates]
            masks = files.enter_context(_create(parts["masks.tif"], grid, "uint8", labels))
            observed = files.enter_context(_create(parts["observed.tif"], grid, "uint8", labels))
            record = files.enter_context(recording(parts.get(PIECES), engine, block, window, inside))
            pixels = files.enter_context(closing(_read_ahead(plan, window, scenes, card, between_dates)))

            def looks() -> Iterator[NDArray[np.float32]]:
                state = engine.start(window.height, window.width)
                for index, (reflectance, clear) in enumerate(pixels):
                    state, probs = engine.step(state, reflectance, clear, plan.dates[index].day)
                    del reflectance
                    record(labels[index], state)
                    probs, look = _core(probs, block, window, np.nan), _core(clear, block, window, False)
                    observed.write(np.where(inside, look.view(np.uint8), OBSERVED_NODATA).astype(np.uint8), index + 1)
                    history.look(probs, look, plan.dates[index].day)
                    yield probs

            for index, mask in enumerate(settle(looks(), lasting=card.change.lasting)):
                masks.write(history.add(mask, plan.dates[index].day), index + 1)
            with _create(parts["summary.tif"], grid, "int32", SUMMARY_BANDS) as summary:
                for band, plane in enumerate(history.summary(), start=1):
                    summary.write(plane, band)
        for name, part in parts.items():
            part.replace(out_dir / name)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


def window_of(plan: Plan, block: Block, scenes: Mapping[str, Scene], stride_px: int) -> Window:
    """Return the pixels that a block's network runs over: core and halo, as far as any scene of the plan has data.

    Where data end, the network's zero padding begins, at the same pixels for every way of cutting blocks: so tiles
    still equal the whole image, and the halo costs nothing along the outer edges.
    """
    window = block.window(plan.halo_px, stride_px)
    data = data_window((scenes[name] for date in plan.dates for name in date.scene_ids), plan.geobox)
    with_data = None if data is None else window & data.aligned(stride_px)
    return with_data or block.kept.aligned(stride_px)


def _core(values: NDArray[Any], block: Block, window: Window, nothing: float) -> NDArray[Any]:
    """Cut a block's core out of its window; `nothing` stands where the window does not reach."""
    part = block.kept & window
    if part == block.kept:
        return values[..., *part.within(window)]
    core = np.full((*values.shape[:-2], block.height, block.width), nothing, values.dtype)
    if part is not None:
        core[..., *part.within(block.kept)] = values[..., *part.within(window)]
    return core


def _read_ahead(
    plan: Plan, window: Window, scenes: Mapping[str, Scene], card: Card, between_dates: Callable[[int], None]
) -> Generator[Pixels, None, None]:
    """Yield the dates' pixels in order; while one is worked on, a thread reads the next."""
    readers = (
        DateReader([scenes[scene_id] for scene_id in date.scene_ids], plan.geobox, card.bands) for date in plan.dates
    )
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="read") as thread:
        coming = thread.submit(next(readers).read, window)
        for index in range(len(plan.dates)):
            between_dates(index)
            pixels = coming.result()
            following = next(readers, None)
            if following is not None:
                coming = thread.submit(following.read, window)
            yield pixels
            del pixels


def _create(
    path: Path, grid: GeoBox, dtype: str, descriptions: list[str] | tuple[str, ...]
) -> rasterio.io.DatasetWriter:
    dataset = rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=grid.shape[0],
        width=grid.shape[1],
        count=len(descriptions),
        dtype=dtype,
        crs=crs_of(grid).to_wkt(),
        transform=grid.affine,
        interleave="band",
        tiled=True,
        blockxsize=256,
        blockysize=256,
        compress="deflate",
        zlevel=1,
        bigtiff="if_safer",
    )
    for band, description in enumerate(descriptions, start=1):
        dataset.set_band_description(band, description)
    return dataset
