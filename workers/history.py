"""History: what a series of masks says about each pixel, followed date by date in a few planes of memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from models.card import MASK_NODATA, Change


class History:
    """Follows the masks of one block.

    The rules, so that anyone can check them against the published masks:
      change_date  day of the last date whose mask shows `change.after` where the mask before shows `change.before`;
                   0 where that never happens. So a pixel that is `after` at its first look has none.
      first_seen   1 + index of the date at which the last mask's class began its unbroken run; 0 = never seen.
      last_seen    1 + index of the last date at which the pixel was clear; 0 = never seen.
      confidence   100 x probability of the last mask's class, rounded; -1 = never seen.
    All are 0 (confidence -1) outside the area.
    """

    def __init__(self, inside: NDArray[np.bool_], change: Change) -> None:
        """Begin before the first date. `inside`: (H, W), True = within the area of interest."""
        self._inside = inside
        self._change = change
        self._dates = 0
        self._mask = np.full(inside.shape, MASK_NODATA, np.uint8)
        self._change_date = np.zeros(inside.shape, np.int32)
        self._first_seen = np.zeros(inside.shape, np.int32)
        self._last_seen = np.zeros(inside.shape, np.int32)

    def add(self, probs: NDArray[np.float32], clear: NDArray[np.bool_], day: int) -> NDArray[np.uint8]:
        """Take a date in and return its mask.

        Args:
            probs: (K, H, W); NaN where no date was clear yet.
            clear: (H, W), True = usable on this date.
            day: days since 1970-01-01.

        Returns:
            (H, W) class ids; 255 outside the area and where no date was clear yet.
        """
        self._dates += 1
        mask = _classes(probs)
        mask[~(self._inside & ~np.isnan(probs[0]))] = MASK_NODATA
        before, after = self._change.before, self._change.after
        np.copyto(self._change_date, day, where=(self._mask == before) & (mask == after))
        np.copyto(self._first_seen, self._dates, where=mask != self._mask)
        np.copyto(self._last_seen, self._dates, where=clear & self._inside)
        self._mask = mask
        return mask

    def summary(self, probs: NDArray[np.float32]) -> Iterator[NDArray[np.int32]]:
        """Yield change_date, first_seen, last_seen and confidence; `probs` are those of the last date."""
        yield self._change_date
        seen = self._mask != MASK_NODATA
        yield np.where(seen, self._first_seen, 0)
        yield self._last_seen
        with np.errstate(invalid="ignore"):
            yield np.where(seen, np.rint(probs.max(axis=0) * 100.0), -1).astype(np.int32)


def _classes(probs: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the most probable class; the lower id where two are equal."""
    if len(probs) == 2:
        return np.asarray(probs[1] > probs[0]).view(np.uint8)
    return np.asarray(np.argmax(probs, axis=0)).astype(np.uint8)
