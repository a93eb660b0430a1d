"""How a pass is cut into scenes: strips with tilted, ragged inner edges, that together cover the landscape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geo.simulator.spec import SpecRefused


@dataclass(frozen=True)
class Strip:
    """One scene's place in the landscape.

    Attributes:
        top: first row of the scene.
        valid: (rows, width) bool, False in the triangles without data.
    """

    top: int
    valid: NDArray[np.bool_]


def cut_strips(
    shape: tuple[int, int], count: int, overlap_px: int | None, edge_px: int | None, *, seed: int
) -> list[Strip]:
    """Cut a landscape into strips from north to south.

    Args:
        shape: (height, width) of the landscape.
        count: number of strips.
        overlap_px: rows that neighbours share; None = a tenth of the height, and enough for the edges.
        edge_px: depth of the inner edges' triangles; None = a fortieth of the height.
        seed: gives the ragged edge.

    Raises:
        SpecRefused: the strips would leave a gap, or a strip would be empty.
    """
    height, width = shape
    edge = max(1, height // 40) if edge_px is None else edge_px
    overlap = max(height // 10, 2 * edge + 2) if overlap_px is None else overlap_px
    if count < 1 or edge < 0 or (count > 1 and (overlap <= 2 * edge or count * (overlap + 1) > height)):
        raise SpecRefused(
            f"{count} strips over {height} rows with edges of {edge} px need 2 * edge < overlap < height / strips; "
            f"got an overlap of {overlap} px"
        )
    bounds = np.linspace(0, height, count + 1).round().astype(int)
    strips = []
    for number in range(count):
        top = int(bounds[number]) - (overlap // 2 if number > 0 else 0)
        bottom = int(bounds[number + 1]) + (overlap - overlap // 2 if number < count - 1 else 0)
        valid = np.ones((bottom - top, width), bool)
        rows = np.arange(bottom - top)[:, None]
        if number > 0:
            valid &= rows >= _edge(width, edge, (seed, number, 0))
        if number < count - 1:
            valid &= rows < bottom - top - _edge(width, edge, (seed, number, 1))[::-1]
        strips.append(Strip(top, valid))
    return strips


def outline_px(valid: NDArray[np.bool_]) -> list[tuple[float, float]]:
    """Corners (column, row) of the valid area at the left and right side."""
    first = valid.argmax(0)
    last = valid.shape[0] - valid[::-1].argmax(0)
    right = valid.shape[1]
    return [(0, float(first[0])), (right, float(first[-1])), (right, float(last[-1])), (0, float(last[0]))]


def _edge(width: int, depth: int, seed: tuple[int, ...]) -> NDArray[np.int64]:
    """Rows without data per column: a tilted line with small steps, at most `depth`."""
    ragged = np.random.default_rng(seed).integers(0, max(1, depth // 8) + 1, -(-width // 24)).repeat(24)[:width]
    tilted = np.linspace(0, depth, width).round().astype(np.int64)
    edge: NDArray[np.int64] = np.clip(tilted - ragged, 0, depth)
    return edge
