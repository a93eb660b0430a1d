"""How a static network's job is cut: exactly where its field of view allows, else by blending tiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.receptive_field import measure_static_radius
from models.static import StaticNet

WIDEST_HALO_PX = 256
"""With a halo beyond this, windows around usual blocks would be four fifths halo: blending tiles costs less."""


@dataclass(frozen=True)
class Tiling:
    """The fields of a card (`models.card`) that say how jobs are cut."""

    tiling: Literal["exact", "blend"]
    stride_px: int
    radius_px: int
    tile_px: int | None


def choose_tiling(net: StaticNet, *, tile_px: int = 512) -> Tiling:
    """Measure how far a network looks, and choose how its jobs are cut.

    Exact where the radius, rounded up to the stride, is at most `WIDEST_HALO_PX`; else blended tiles, half overlapping.

    Args:
        net: any weights; they do not matter.
        tile_px: edge of the tiles where it cannot be exact; an even multiple of the network's stride.

    Raises:
        ValueError: tiles are needed, and `tile_px` does not fit the stride.
    """
    try:
        radius_px = measure_static_radius(net)
    except ValueError:  # wider than is ever measured
        radius_px = WIDEST_HALO_PX + 1
    if -(-radius_px // net.stride_px) * net.stride_px <= WIDEST_HALO_PX:
        return Tiling("exact", net.stride_px, radius_px, None)
    if tile_px < 1 or tile_px % (2 * net.stride_px):
        raise ValueError(f"tile_px must be a multiple of twice the stride, {2 * net.stride_px}; got {tile_px}")
    step = tile_px // 2
    return Tiling("blend", step, tile_px - step, tile_px)
