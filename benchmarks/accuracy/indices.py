"""Fixed thresholds on spectral indices, per date: chosen on training landscapes, like the weights of a network."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.landscapes import spec_of
from geo.indices import Floats, burned_area_index, normalised_difference
from geo.simulator.series import Series, simulate, truth
from geo.simulator.spec import Theme
from models.card import MASK_NODATA
from models.training.chips import TRAIN_SEEDS
from models.training.metrics import Confusion
from models.training.themes import THEMES

BLUE, GREEN, RED, NIR = range(4)
TUNED_ON = 20
Index = Callable[[Series], Floats]


def ndvi(series: Series) -> Floats:
    """Normalised difference vegetation index, (T, H, W)."""
    return normalised_difference(series.reflectance[:, NIR], series.reflectance[:, RED])


def bai(series: Series) -> Floats:
    """Burned area index, (T, H, W)."""
    return burned_area_index(series.reflectance[:, RED], series.reflectance[:, NIR])


def since_first(index: Index) -> Index:
    """Return the same index less its value at the pixel's first clear look."""

    def change(series: Series) -> Floats:
        values = index(series)
        first = np.take_along_axis(values, series.clear.argmax(0)[None], 0)
        return values - first

    return change


def _negated(index: Index) -> Index:
    return lambda series: -index(series)


INDICES: dict[Theme, dict[str, Index]] = {
    "burned-area": {
        "BAI": bai, "dBAI": since_first(bai), "NDVI": _negated(ndvi), "dNDVI": _negated(since_first(ndvi)),
    },
    "tree-cover": {"NDVI": ndvi},
}  # fmt: skip
"""Indices that are high where the followed class is."""


def tune(theme: Theme, index: Index) -> float:
    """Return the threshold with the best IoU over training landscapes that are like the standard test ones."""
    spec, values, truths = spec_of("standard", theme), [], []
    for seed in TRAIN_SEEDS[:TUNED_ON]:
        series = simulate(spec, seed)
        values.append(index(series)[series.clear][::7])
        truths.append(truth(series)[series.clear][::7])
    pooled, true = np.concatenate(values), np.concatenate(truths)
    candidates = np.unique(np.quantile(pooled, np.linspace(0.02, 0.98, 97)))
    followed, ious = THEMES[theme].followed, []
    for threshold in candidates:
        confusion = Confusion(2)
        confusion.add(true, (pooled > threshold).astype(np.uint8), np.ones_like(true, bool))
        ious.append(confusion.iou(followed))
    return float(candidates[int(np.nanargmax(ious))])


def masks_by(index: Index, threshold: float, series: Series) -> NDArray[np.uint8]:
    """Return the masks of a threshold: a date that is not clear repeats the last look, 255 before the first."""
    above, masks = (index(series) > threshold).astype(np.uint8), []
    last = np.full(above.shape[1:], MASK_NODATA, np.uint8)
    for now, clear in zip(above, series.clear, strict=True):
        last = np.where(clear, now, last)
        masks.append(last)
    return np.stack(masks)
