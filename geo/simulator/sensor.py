"""A satellite's eye: blur, misregistration, gain and offset per band, noise."""

from __future__ import annotations

import math

import numpy as np
from scipy.ndimage import correlate1d

from geo.simulator.noise import Floats
from geo.simulator.spec import SeriesSpec

_TAPS = np.arange(-2, 3)


def calibration(spec: SeriesSpec, satellite: str) -> tuple[Floats, Floats]:
    """Gain and offset per band; a satellite has the same ones in every series."""
    rng = np.random.default_rng(int(satellite, 16))
    common = 0.6 * rng.standard_normal()
    gain = np.exp(spec.gain_spread * (common + 0.8 * rng.standard_normal(8))[: spec.bands])
    offset = spec.offset_spread_reflectance * rng.standard_normal(8)[: spec.bands]
    return gain.astype(np.float32), offset.astype(np.float32)


def record(spec: SeriesSpec, seen: Floats, satellite: str, rng: np.random.Generator) -> Floats:
    """Turn what arrives at the satellite into what the product holds.

    Args:
        spec: what is asked.
        seen: (bands, height, width) reflectance.
        satellite: 4-hex identifier.
        rng: source of chance.

    Returns:
        (bands, height, width) float32 within [0.0001, 1.5]; 0 is kept for "no data".
    """
    gain, offset = calibration(spec, satellite)
    gain = gain * np.float32(math.exp(spec.date_gain_spread * rng.standard_normal()))
    down, right = rng.uniform(-spec.jitter_px, spec.jitter_px, 2)
    noise = rng.standard_normal(seen.shape, dtype=np.float32) if spec.noise_reflectance > 0 else None
    out = np.empty_like(seen)
    for band, value in enumerate(seen):
        image = _blurred(_blurred(value, spec.psf_px, down, 0), spec.psf_px, right, 1)
        image = image * gain[band] + offset[band]
        if noise is not None:
            # shot noise: the variance grows with the signal
            spread = np.sqrt(np.clip(image, 0, None) * np.float32(5) + np.float32(0.5)) * np.float32(
                spec.noise_reflectance
            )
            image += noise[band] * spread
        out[band] = image
    return np.clip(out, 1e-4, 1.5, out=out)


def _blurred(image: Floats, spread_px: float, shift_px: float, axis: int) -> Floats:
    """Blur along one axis by a Gaussian whose centre is moved by `shift_px`."""
    if spread_px < 0.05 and shift_px == 0:
        return image
    if spread_px < 0.3:  # too narrow to sample: linear interpolation moves, and blurs a little
        taps = np.maximum(0, 1 - np.abs(_TAPS - shift_px))
    else:
        taps = np.exp(-0.5 * ((_TAPS - shift_px) / spread_px) ** 2)
    return np.asarray(correlate1d(image, taps / taps.sum(), axis=axis, mode="nearest"), np.float32)
