"""What a request gets where it says nothing: on the command line and over HTTP alike."""

from __future__ import annotations

MIN_AREA_HA = 0.1
"""Smallest polygon: a noisy mask at 3 m has a region for every few pixels, and nobody can open that as GeoJSON."""

SIMPLIFY_PX = 1.0
"""Tolerance of outlines: takes the stairs out of slanting edges; neighbours still share theirs."""
