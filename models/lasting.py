"""A change that lasts, as a hidden chain of two states, before and after: what its filter and its smoother agree on."""

from __future__ import annotations

HAZARD = 0.025
"""Chance that a pixel changes between two clear looks, before anything is seen of it."""

SURE = 12.0
"""Log-odds are kept within this, so that an error can still be corrected, and in the range of float32."""
