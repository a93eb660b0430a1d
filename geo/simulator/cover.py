"""What covers each pixel on a day: crowns, herbs, char and ash, as fires and clearings left them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geo.simulator.clearing import Clearing
from geo.simulator.fire import Fire
from geo.simulator.ground import FIELD
from geo.simulator.landscape import Land
from geo.simulator.noise import Floats
from geo.simulator.seasons import PatchState
from geo.simulator.spec import SeriesSpec

KILL_SEVERITY = 0.62
"""Severity from which on a fire kills a tree."""
_SLASH_DAYS = 120.0
_SPROUT_DAYS = 12.0
_CROWN_RECOVERY_DAYS = 200.0


@dataclass(frozen=True)
class Pace:
    """How fast marks fade.

    Attributes:
        char_share: share of the burned ground that char covers at first; above 1, sparse fuel chars it wholly too.
        char_days: time in which the char fades to 1/e of what fades.
        char_floor: share of the char that stays.
        ash_days: time in which the ash blows away to 1/e.
        regrowth_days: time in which the herbs are back to 1 - 1/e of `regrowth_limit`.
        regrowth_limit: share of the herbs that comes back.
        crown_scorch: share of the crowns that the mildest ground fire browns.
    """

    char_share: float
    char_days: float
    char_floor: float
    ash_days: float
    regrowth_days: float
    regrowth_limit: float
    crown_scorch: float


@dataclass
class Cover:
    """Shares of every pixel on one day, (height, width) float32 in 0..1; the arrays are changed in place.

    Attributes:
        live: green crowns.
        dead: dry, scorched or leafless crowns and branches.
        herbs: share of the open ground under herbs or shrubs.
        green: share of the herbs that is green.
        char: share of the rest of the ground under char.
        ash: share of the rest of the ground under white ash.
        wet: darkening of the soil by moisture or fresh ploughing.
    """

    live: Floats
    dead: Floats
    herbs: Floats
    green: Floats
    char: Floats
    ash: Floats
    wet: Floats


def draw_pace(spec: SeriesSpec, rng: np.random.Generator) -> Pace:
    """Draw how fast marks fade; where there is no choice, nothing is drawn."""
    least, most = spec.crown_scorch
    return Pace(
        char_days=rng.uniform(*spec.char_fade_days),
        char_share=rng.uniform(*spec.char_share),
        char_floor=rng.uniform(0.05, 0.3),
        ash_days=rng.uniform(4, 20),
        regrowth_days=rng.uniform(*spec.regrowth_days),
        regrowth_limit=rng.uniform(0.4, 0.95),
        crown_scorch=rng.uniform(least, most) if least < most else least,
    )


def undisturbed(land: Land, state: PatchState) -> Cover:
    """Cover of a land whose patches are in `state`, before any fire or clearing."""
    share = state.cover.take(land.patch)
    herbs = np.where(land.kind == FIELD, share, share * land.herbs)
    live = land.canopy * state.leaves.take(land.patch)
    wet = np.clip(state.wet.take(land.patch) + np.float32(0.12) * land.wetness, 0, 1)
    nothing = np.zeros_like(live)
    return Cover(live, land.canopy - live, herbs, state.green.take(land.patch), nothing, nothing.copy(), wet)


def cut(cover: Cover, clearing: Clearing, day: int, pace: Pace) -> None:
    """Take away the trees cut by `day`: slash and bare soil first, herbs later."""
    at = np.flatnonzero((clearing.day > 0) & (clearing.day <= day))
    if not len(at):
        return
    since = (day - clearing.day.ravel()[at]).astype(np.float32)
    slash = clearing.slash.ravel()[at] * np.exp(-since / np.float32(_SLASH_DAYS))
    grown = _regrown(since, pace)
    cover.live.ravel()[at] = 0.02
    cover.dead.ravel()[at] = np.float32(0.5) * slash
    dry = np.float32(0.25) * slash + np.float32(1e-3)
    cover.herbs.ravel()[at] = np.clip(dry + grown, 0, 1)
    cover.green.ravel()[at] *= grown / (grown + dry)


def char(cover: Cover, fire: Fire, canopy: Floats, day: int, pace: Pace) -> None:
    """Burn what the fire reached by `day`: char and ash on the ground, scorched crowns; fading, growing back."""
    at = np.flatnonzero((fire.burn_day > 0) & (fire.burn_day <= day))
    if not len(at):
        return
    since = (day - fire.burn_day.ravel()[at]).astype(np.float32)
    severity, taken = fire.severity.ravel()[at], fire.combustion.ravel()[at]
    before, green = cover.herbs.ravel()[at], cover.green.ravel()[at]
    _scorch(cover, at, severity, since, pace)
    left = before * (1 - taken)
    back = (before - left) * _regrown(since, pace)
    cover.herbs.ravel()[at] = left + back
    young = np.clip(green + np.float32(0.1), 0, 1)
    cover.green.ravel()[at] = (left * np.float32(0.3) * green + back * young) / np.maximum(left + back, 1e-3)
    fuel = np.clip(before + canopy.ravel()[at], 0, 1)
    fading = pace.char_floor + (1 - pace.char_floor) * np.exp(-since / np.float32(pace.char_days))
    cover.char.ravel()[at] = (
        np.clip(pace.char_share * taken * (np.float32(0.65) + np.float32(0.45) * fuel), 0, 1) * fading
    )
    cover.ash.ravel()[at] = fire.ash.ravel()[at] * taken * np.exp(-since / np.float32(pace.ash_days))


def _scorch(
    cover: Cover, at: np.ndarray[tuple[int], np.dtype[np.intp]], severity: Floats, since: Floats, pace: Pace
) -> None:
    """Crowns above a ground fire turn brown in part and recover; a severe fire kills and consumes them."""
    crowns = cover.live.ravel()[at]
    killed = severity > KILL_SEVERITY
    partly = np.clip(np.float32(pace.crown_scorch) + np.float32(0.8) * severity, 0, 0.8)
    still = np.float32(0.5) + np.float32(0.5) * np.exp(-since / np.float32(_CROWN_RECOVERY_DAYS))
    lost = crowns * np.where(killed, np.float32(0.85) + np.float32(0.15) * severity, partly * still)
    cover.live.ravel()[at] = crowns - lost
    cover.dead.ravel()[at] = (cover.dead.ravel()[at] + lost) * (1 - np.float32(0.75) * severity)


def _regrown(since: Floats, pace: Pace) -> Floats:
    """Share of the herbs that has come back."""
    growing = np.maximum(since - np.float32(_SPROUT_DAYS), 0)
    grown: Floats = np.float32(pace.regrowth_limit) * (1 - np.exp(-growing / np.float32(pace.regrowth_days)))
    return grown
