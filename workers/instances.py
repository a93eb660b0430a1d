"""Instances in a job: what each block tells of the tiles it holds, and the products that are made of that."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geo.blocks import Block, Window
from geo.cog import write_cog
from geo.instances import Instances, find_instances
from geo.mosaic import Layer, mosaic_vrt
from geo.pieces import Piece, add_pieces, read_pieces
from models.card import Card
from models.engine import Engine, InstanceEngine, State
from workers.plan import Plan

PIECES = "instances.npz"
"""A block's file of pieces (`geo.pieces`), beside its rasters."""

Record = Callable[[str, State], None]
"""Takes a date's label and the state after it."""


@contextmanager
def recording(
    path: Path | None, engine: Engine, block: Block, window: Window, inside: NDArray[np.bool_]
) -> Iterator[Record]:
    """Open a block's file of pieces; yields what writes a date's into it. Nothing is written where `path` is None.

    The pieces of a tile are told wholly by each block that has pixels of the tile inside the area: so which tiles count
    does not depend on how the grid is cut.

    Args:
        path: file to write.
        engine: finds instances, if `path` is given.
        block: of the plan.
        window: that the engine runs over.
        inside: (H, W) of the block's core, True = within the area of interest.
    """
    if path is None:
        yield _record_nothing
        return
    if not isinstance(engine, InstanceEngine):
        raise TypeError(f"{engine.card.id} tiles by instances; expected an engine that tells them")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:

        def record(label: str, state: State) -> None:
            pieces = (piece.moved(window.row, window.col) for piece in engine.pieces(state))
            add_pieces(archive, label, [p for p in pieces if _counts(p, engine.card, block, inside)])

        yield record


def _record_nothing(label: str, state: State) -> None:
    """A network without instances leaves none."""


def _counts(piece: Piece, card: Card, block: Block, inside: NDArray[np.bool_]) -> bool:
    part = piece.tile_window(card.tile_px or 0) & block.kept
    return part is not None and bool(inside[part.within(block.kept)].any())


def write_instance_raster(
    plan: Plan, card: Card, label: str, block_folder: Callable[[int], Path], tags: Mapping[str, str], dst: Path
) -> Instances:
    """Put a date's pieces together and write the objects' numbers as a COG of uint32; 0 = none.

    Args:
        plan: of the job.
        card: of its model.
        label: of the date.
        block_folder: local folder of a block's files, by the block's index.
        tags: metadata of the raster.
        dst: file to write.
    """
    numbers = dst.with_name(f".{dst.name}.numbers.tif")
    pieces = (piece for block in plan.blocks for piece in read_pieces(block_folder(block.index) / PIECES, label))
    try:
        found = find_instances(
            pieces,
            plan.geobox,
            plan.aoi,
            numbers,
            tile_px=card.tile_px or 0,
            min_area_ha=plan.min_area_ha,
            simplify_px=plan.simplify_px,
        )
        whole = Block(0, 0, 0, *plan.geobox.shape)
        layer = Layer(1, "int32", "uint32", 0, description=f"instances on {tags['date']}", tags=tags)
        write_cog(mosaic_vrt(plan.geobox, [whole], lambda _: numbers, layer), dst, overviews="nearest")
    finally:
        numbers.unlink(missing_ok=True)
    return found
