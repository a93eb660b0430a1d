"""History: what a series of masks says about each pixel, followed date by date in a few planes of memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from models.card import MASK_NODATA, Change


class History:
    """Follows the looks and the masks of one block; the masks may come later than the looks, all in order.

    The rules, so that anyone can check them against the published masks:
      change_date  day of the last date whose mask shows `change.after` where the mask before shows `change.before`;
                   0 where that never happens. So a pixel that is `after` at its first look has none.
      first_seen   1 + index of the date at which the last mask's class began its unbroken run; 0 = never seen.
      last_seen    1 + index of the last date at which the pixel was clear; 0 = never seen.
      confidence   100 x probability of the last mask's class at the last date, rounded; -1 = never seen. Calibrated
                   where the ground could be seen on that date; elsewhere it is as old as last_look.
      last_look    day of the last date at which the pixel was clear; 0 = never seen.
    All are 0 (confidence -1) outside the area.
    """

    def __init__(self, inside: NDArray[np.bool_], change: Change) -> None:
        """Begin before the first date. `inside`: (H, W), True = within the area of interest."""
        self._inside = inside
        self._change = change
        self._looks, self._masks = 0, 0
        self._probs = np.full((1, *inside.shape), np.nan, np.float32)
        self._mask = np.full(inside.shape, MASK_NODATA, np.uint8)
        self._change_date = np.zeros(inside.shape, np.int32)
        self._first_seen = np.zeros(inside.shape, np.int32)
        self._last_seen = np.zeros(inside.shape, np.int32)
        self._last_look = np.zeros(inside.shape, np.int32)

    def look(self, probs: NDArray[np.float32], clear: NDArray[np.bool_], day: int) -> None:
        """Take a date's look in.

        Args:
            probs: (K, H, W); NaN where no date was clear yet.
            clear: (H, W), True = usable on this date.
            day: of the date, days since 1970-01-01.
        """
        self._looks += 1
        self._probs = probs
        np.copyto(self._last_seen, self._looks, where=clear & self._inside)
        np.copyto(self._last_look, day, where=clear & self._inside)

    def add(self, mask: NDArray[np.uint8], day: int) -> NDArray[np.uint8]:
        """Take the next date's mask in, and return it within the area.

        Args:
            mask: (H, W) class ids; 255 where no date was clear yet.
            day: of the date, days since 1970-01-01.
        """
        self._masks += 1
        mask = np.where(self._inside, mask, np.uint8(MASK_NODATA))
        before, after = self._change.before, self._change.after
        np.copyto(self._change_date, day, where=(self._mask == before) & (mask == after))
        np.copyto(self._first_seen, self._masks, where=mask != self._mask)
        self._mask = mask
        return mask

    def summary(self) -> Iterator[NDArray[np.int32]]:
        """Yield change_date, first_seen, last_seen, confidence and last_look, as they are after the last date."""
        yield self._change_date
        seen = self._mask != MASK_NODATA
        yield np.where(seen, self._first_seen, 0)
        yield self._last_seen
        own = np.where(seen, self._mask, 0)[None]
        with np.errstate(invalid="ignore"):
            percent = np.rint(np.take_along_axis(self._probs, own, axis=0)[0] * 100.0)
        yield np.where(seen, percent, -1).astype(np.int32)
        yield self._last_look
