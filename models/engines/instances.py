"""Inference by Mask R-CNN on overlapping tiles of one global lattice: torch in float32, on CPU or CUDA."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from geo.pieces import Piece, piece_of
from models.card import Card
from models.checkpoint import load_network
from models.engines.blend import tile_spans, tile_weights
from models.errors import CheckpointRefused
from models.folding import fold_norms
from models.mask_rcnn.network import Detections, MaskRCNN
from models.mask_rcnn.paste import paste_mask

MASK_MIN = 0.5
"""Pixels of a piece are those that belong to it with at least this probability."""


def likely(score: float, least: float) -> np.float32:
    """Return a score stretched so that 0, `least` and 1 become 0, one half and 1."""
    return np.float32(score / least / 2 if score < least else 1 - (1 - score) / max(1 - least, 1e-6) / 2)


@dataclass(frozen=True)
class InstancesState:
    """What is remembered: each pixel's last look, and what the tiles showed on the last date.

    Attributes:
        probs: (K, H, W) float32, NaN where no date was clear yet.
        pieces: in pixels of the window.
    """

    probs: NDArray[np.float32]
    pieces: list[Piece]


class InstancesEngine:
    """Mask R-CNN, tile by tile; fulfils `models.engine.InstanceEngine`.

    Every tile is run by itself and in one size, and probabilities are averaged with weights that fade out towards a
    tile's edge, as `models.engines.blend` does: so blocks of any size give the same result, and no seam stands out
    where one tile shows an instance and the next does not. A tile without a clear pixel is not run.
    """

    def __init__(self, folder: Path, card: Card, *, device: str = "cpu", threads: int = 0) -> None:
        net = load_network(folder, card)
        if not isinstance(net, MaskRCNN) or card.tile_px is None:
            raise CheckpointRefused(f"{card.id}: expected a network that finds instances, on tiles; got {card.family}")
        if threads:
            torch.set_num_threads(threads)
        fold_norms(net)
        self._card, self._tile_px, self._net = card, card.tile_px, net.to(device)
        self._mean = np.array(card.mean, np.float32)[:, None, None]

    @property
    def card(self) -> Card:
        """The card of the loaded network."""
        return self._card

    def start(self, height: int, width: int) -> InstancesState:
        """Return the state before the first date; see `models.engine.Engine`."""
        return InstancesState(np.full((len(self._card.classes), height, width), np.nan, np.float32), [])

    def pieces(self, state: InstancesState) -> list[Piece]:
        """Tell what the tiles showed on the last date; see `models.engine.InstanceEngine`."""
        return state.pieces

    def step(
        self,
        state: InstancesState,
        reflectance: NDArray[np.float32],
        clear: NDArray[np.bool_],
        day: int,  # noqa: ARG002 - one date is looked at, whenever it is
    ) -> tuple[InstancesState, NDArray[np.float32]]:
        """Take one date in; see `models.engine.Engine`.

        In a tile, an instance gives a pixel the lesser of two: how likely it is an instance, with the score from which
        it is one for sure as one half, and how likely the pixel belongs to it. A class has the highest that any
        instance gives: one half and more in the very pixels that pieces hold. The background has the rest.
        """
        height, width = clear.shape
        sums, weights = np.zeros((len(state.probs) - 1, height, width), np.float32), np.zeros(clear.shape, np.float32)
        pieces = list[Piece]()
        filled = np.where(clear, reflectance, self._mean)
        for rows in tile_spans(height, self._tile_px, self._card.stride_px):
            for cols in tile_spans(width, self._tile_px, self._card.stride_px):
                usable = clear[rows, cols]
                if not usable.any():
                    continue
                found, highest = self._detect(filled[:, rows, cols]), np.zeros((len(sums), *usable.shape), np.float32)
                pieces += self._add(found, (rows.start, cols.start), usable, highest)
                weight = np.outer(tile_weights(usable.shape[0]), tile_weights(usable.shape[1]))
                sums[:, rows, cols] += highest * weight
                weights[rows, cols] += weight
        highest = sums / np.where(clear, weights, 1)
        probs = np.concatenate([1 - highest.max(axis=0, keepdims=True), highest])
        probs = np.where(clear, probs / probs.sum(axis=0), state.probs)
        return InstancesState(probs, pieces), probs

    @torch.inference_mode()
    def _detect(self, tile_CHW: NDArray[np.float32]) -> Detections:
        x = torch.from_numpy(np.ascontiguousarray(tile_CHW[None], np.float32)).to(self._net.mean_C11.device)
        return self._net.detect(x)[0].to("cpu")

    def _add(
        self, found: Detections, tile: tuple[int, int], clear: NDArray[np.bool_], highest: NDArray[np.float32]
    ) -> list[Piece]:
        """Raise the tile's highest probabilities, in place, and return its pieces: clear pixels of sure instances."""
        pieces = []
        least = self._net.instance_score
        for number, (label, score) in enumerate(zip(found.labels.tolist(), found.scores.tolist(), strict=True)):
            row, col, mask = paste_mask(found.masks[number], found.boxes[number], *clear.shape)
            belongs = mask.numpy()
            here = slice(row, row + belongs.shape[0]), slice(col, col + belongs.shape[1])
            given = np.minimum(likely(score, least), belongs)
            np.maximum(highest[label - 1][here], given, out=highest[label - 1][here])
            if score >= least:
                piece = piece_of(
                    (belongs >= MASK_MIN) & clear[here],
                    tile[0] + row,
                    tile[1] + col,
                    tile=tile,
                    number=number,
                    class_id=label,
                    score=score,
                )
                pieces += [piece] if piece else []
        return pieces
