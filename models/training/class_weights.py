"""Weights that let rare classes count as much as common ones, from one pass over the training labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class ClassFrequencies:
    """Pixels per class, and pixels of the images in which a class is present, gathered image by image."""

    def __init__(self, classes: int) -> None:
        self.pixels_K: NDArray[np.int64] = np.zeros(classes, np.int64)
        self.pixels_where_present_K: NDArray[np.int64] = np.zeros(classes, np.int64)

    def add(self, target: NDArray[np.integer], valid: NDArray[np.bool_]) -> None:
        """Count the valid pixels of one whole image, or of one whole series.

        Args:
            target: class ids, of any shape; anything may stand where not valid.
            valid: pixels that count, of the same shape.

        Raises:
            ValueError: a valid pixel holds no class.
        """
        ids, classes = target[valid].astype(np.int64), len(self.pixels_K)
        if ids.size and not (ids.min() >= 0 and ids.max() < classes):
            raise ValueError(
                f"target: expected class ids 0..{classes - 1} where valid; got {ids.min()}..{ids.max()}; "
                "mark other pixels as not valid"
            )
        counts = np.bincount(ids, minlength=classes)
        self.pixels_K += counts
        self.pixels_where_present_K += np.where(counts > 0, counts.sum(), 0)

    def median_frequency_weights(self) -> NDArray[np.float32]:
        """Median frequency over frequency, (K,): 1 for the median class, more for rarer ones.

        The frequency of a class is its pixels over all pixels of the images in which it is present. A class that was
        never seen gets 1: nothing is known of it.

        Source:
            Eigen, Fergus: Predicting depth, surface normals and semantic labels with a common multi-scale
            convolutional architecture, ICCV 2015.
        """
        seen = self.pixels_K > 0
        weights = np.ones(len(self.pixels_K))
        if seen.any():
            frequencies = self.pixels_K[seen] / self.pixels_where_present_K[seen]
            weights[seen] = np.median(frequencies) / frequencies
        return weights.astype(np.float32)
