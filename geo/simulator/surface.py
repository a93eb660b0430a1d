"""Reflectance of the ground on a day: covers mixed linearly within the pixel, then lit by the sun."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geo.simulator.clearing import Clearing
from geo.simulator.cover import KILL_SEVERITY, Cover, char, cut, draw_pace, undisturbed
from geo.simulator.fire import Fire
from geo.simulator.ground import BUILT, WATER
from geo.simulator.growth import Growth, grow
from geo.simulator.landscape import TREES, Land
from geo.simulator.noise import Floats, Ints, fractal
from geo.simulator.seasons import Calendar
from geo.simulator.spec import SeriesSpec
from geo.simulator.spectra import RANGES, draw

_NEVER = np.iinfo(np.int32).max


@dataclass(frozen=True)
class Sun:
    """Position of the sun in degrees; azimuth clockwise from north."""

    azimuth_deg: float
    elevation_deg: float


@dataclass(frozen=True)
class History:
    """A land and what happens to it; `earlier` burned before the first look."""

    land: Land
    fire: Fire
    clearing: Clearing
    calendar: Calendar
    earlier: Fire | None = None

    def loss_day(self) -> Ints:
        """Day on which each tree goes, by the axe or a severe fire; 0 where it stays or never was."""
        by_fire = np.where(self._killed(), self.fire.burn_day, _NEVER)
        by_axe = np.where(self.clearing.day > 0, self.clearing.day, _NEVER)
        first = np.minimum(by_fire, by_axe)
        return np.where(self.land.trees & (first < _NEVER), first, 0).astype(np.int32)

    def bared_day(self) -> Ints:
        """Last day on which crowns were cut or killed, or what was left of them burned; 0 where none ever were."""
        bared = (self.clearing.day > 0) | self._killed()
        return np.where(bared, np.maximum(self.clearing.day, self.fire.burn_day), 0).astype(np.int32)

    def _killed(self) -> NDArray[np.bool_]:
        killed: NDArray[np.bool_] = (self.fire.burn_day > 0) & (self.fire.severity > KILL_SEVERITY)
        return killed


def sun_at(day: int, latitude_deg: float) -> Sun:
    """Place of the sun about two hours before local noon, when the satellites pass."""
    declination = math.radians(-23.44) * math.cos(2 * math.pi * ((day % 365.25) + 10) / 365.25)
    latitude, hour = math.radians(latitude_deg), math.radians(-28)
    sine = math.sin(latitude) * math.sin(declination) + math.cos(latitude) * math.cos(declination) * math.cos(hour)
    east = -math.cos(declination) * math.sin(hour)
    north = math.cos(latitude) * math.sin(declination) - math.sin(latitude) * math.cos(declination) * math.cos(hour)
    elevation = max(math.degrees(math.asin(sine)), 12.0)
    return Sun(math.degrees(math.atan2(east, north)) % 360, elevation)


def trees_standing(land: Land, loss_day: Ints, growth: Growth | None, day: int) -> NDArray[np.bool_]:
    """Trees that stand on a day: those of the start that have not gone, and those that have grown."""
    standing: NDArray[np.bool_] = land.trees & ((loss_day == 0) | (loss_day > day))
    return standing if growth is None else standing | (growth.crowns(day) >= TREES)


class Ground:
    """A land with its history, seen on any day without an atmosphere."""

    def __init__(self, spec: SeriesSpec, history: History, growth: Growth | None, rng: np.random.Generator) -> None:
        self._spec, self._history, self._growth = spec, history, growth
        land = history.land
        self._pace = draw_pace(spec, rng)
        spectra = {name: draw(rng, name, spec) for name in RANGES}
        self._spectra = spectra
        self._tree = _between(spectra["broadleaf"], spectra["conifer"], land.conifers)
        self._lush = _between(spectra["grass_green"], spectra["shrub_green"], land.shrubs)
        self._parched = _between(spectra["grass_dry"], spectra["shrub_dry"], land.shrubs)
        self._soil = spectra["soil_red" if rng.uniform() < 0.5 else "soil_dark"]
        grain = np.float32(0.16 * min(1.0, 6 / spec.res_m))
        light = np.exp(grain * fractal(rng, spec.shape, 12 / spec.res_m))
        tone = np.exp(0.1 * rng.standard_normal(land.patches)).astype(np.float32)
        self._crown_light: Floats = light * tone.take(land.patch)
        self._char_grain: Floats = np.exp(np.float32(0.27) * fractal(rng, spec.shape, 20 / spec.res_m))
        self._water_tone: Floats = np.exp(np.float32(0.15) * fractal(rng, spec.shape, 400 / spec.res_m, finest_px=4))

    def reflectance(self, day: int, sun: Sun) -> Floats:
        """Surface reflectance on a day, (bands, height, width) float32."""
        history = self._history
        patches = history.calendar.on(day)
        cover = undisturbed(history.land, patches)
        if history.earlier is not None:
            char(cover, history.earlier, history.land.canopy, day, self._pace)
        cut(cover, history.clearing, day, self._pace)
        char(cover, history.fire, history.land.canopy, day, self._pace)
        if self._growth is not None:
            grow(cover, self._growth.crowns(day), patches.leaves.take(history.land.patch))
        return self._mix(cover, self._light(sun))

    def _mix(self, cover: Cover, light: Floats) -> Floats:
        """Mix the spectra by their shares of the pixel."""
        land, spectra = self._history.land, self._spectra
        ground = np.clip(1 - cover.live - cover.dead, 0, 1)
        lush = ground * cover.herbs * cover.green
        parched = ground * cover.herbs - lush
        ground -= lush + parched
        ash = ground * cover.ash
        burnt = (ground - ash) * cover.char
        soil = (ground - ash - burnt) * (1 - np.float32(0.45) * cover.wet) * land.texture
        bright = np.clip(land.soil_mix * np.float32(2 * land.bright_soil), 0, 1) * soil
        burnt = burnt * self._char_grain + np.float32(0.35) * cover.dead * cover.char
        dead = cover.dead * (1 - np.float32(0.35) * cover.char)
        shares = (
            (cover.live * self._crown_light, self._tree), (dead, spectra["dry_leaf"]),
            (lush, self._lush), (parched, self._parched), (soil - bright, self._soil),
            (bright, spectra["soil_bright"]), (burnt, spectra["char"]), (ash, spectra["ash"]),
        )  # fmt: skip
        water, built = land.kind == WATER, land.kind == BUILT
        rough = land.texture[built] ** 4 * light[built]
        out = np.empty((self._spec.bands, *self._spec.shape), np.float32)
        term = np.empty(self._spec.shape, np.float32)
        for band, value in enumerate(out):
            value.fill(0)
            for share, spectrum in shares:
                np.multiply(share, spectrum[band], out=term)
                np.add(value, term, out=value)
            np.multiply(value, light, out=value)
            value[built] = spectra["built"][band] * rough
            value[water] = spectra["water"][band] * self._water_tone[water]
        return out

    def _light(self, sun: Sun) -> Floats:
        """Relative illumination of slopes, 1 on flat ground; a third of the light is diffuse."""
        azimuth, elevation = math.radians(sun.azimuth_deg), math.radians(sun.elevation_deg)
        flat = math.sin(elevation)
        toward_east, toward_south = math.cos(elevation) * math.sin(azimuth), -math.cos(elevation) * math.cos(azimuth)
        east, south = self._history.land.east_slope, self._history.land.south_slope
        incidence = flat - np.float32(toward_east) * east - np.float32(toward_south) * south
        incidence /= np.sqrt(1 + east * east + south * south)
        light: Floats = np.float32(0.33) + np.float32(0.67 / flat) * np.clip(incidence, 0, None)
        return light


def _between(first: Floats, second: Floats, share: float) -> Floats:
    mixed: Floats = (first * (1 - share) + second * share).astype(np.float32)
    return mixed
