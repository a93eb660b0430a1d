"""What a simulated series should be like: size, dates, theme, and every magnitude as a parameter."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields
from datetime import date
from typing import Literal

from geo.bands import PLANETSCOPE_4, PLANETSCOPE_8
from geo.errors import GeoError

Theme = Literal["burned-area", "tree-cover"]
Biome = Literal["any", "rainforest", "woodland", "savanna", "mediterranean", "steppe", "farmland"]
FireRegime = Literal["any", "slow", "fast-grass"]
Sensor = Literal["superdove", "dove", "sentinel-2", "landsat"]

THEMES = ("burned-area", "tree-cover")
BIOMES = ("rainforest", "woodland", "savanna", "mediterranean", "steppe", "farmland")
FIRE_REGIMES = ("slow", "fast-grass")
SENSORS = ("superdove", "dove", "sentinel-2", "landsat")
SATELLITES = ("0e26", "0f28", "1009", "100a", "1014", "103c", "104b", "1105", "2212", "2259", "227b", "2426")
UNSEEN_SATELLITES = ("2455", "2498", "24a6", "24c1")
"""Not among those that a series draws by itself: for tests on a satellite that was never trained on."""
_SHARES = (
    "fire_chance", "earlier_fire_chance", "flash_drying", "tree_growth", "clearing_chance", "cloud_fraction",
    "cloud_spread", "udm2_error",
)  # fmt: skip


class SpecRefused(GeoError):
    """A series cannot be simulated as asked."""


@dataclass(frozen=True)
class SeriesSpec:
    """A series to simulate. Shares lie in 0..1, reflectance in 0..1, lengths in metres, spans in days.

    Attributes:
        theme: which change is the main one; the other kind still happens, rarer, as a hard negative.
        height, width: size in pixels.
        res_m: pixel size; the landscape's structures keep their size in metres.
        dates: number of looks.
        start: day of the first look.
        gap_days: least and most days between two looks.
        bands: 4 (blue, green, red, nir) or 8 (SuperDove).
        latitude_deg: gives the season and the sun; negative = southern hemisphere.
        biome: mix of covers; "any" draws one.
        fire_regime: pace of fires: weeks ("slow") or one to three days ("fast-grass"); "any" draws one.
        fire_share: least and most share of the land that burns where there is a fire.
        fire_chance: chance that the landscape burns; None = 0.92 for burned-area, 0.3 for tree-cover.
        earlier_fire_chance: chance of a fire in the months before the first look, whose scar the truth does not hold;
            0 for tree-cover, which follows the trees of the start.
        clearing_share: least and most share of the trees that are cleared where there is clearing.
        clearing_chance: chance of clearing; None = 0.92 for tree-cover, 0.35 for burned-area.
        char_share: least and most share of the burned ground that char covers at first, a landscape draws one; above 1
            sparse fuel chars it wholly too.
        combustion: least and most mean completeness of combustion, of which a landscape draws one.
        crown_scorch: least and most share of the crowns that the mildest ground fire browns, a landscape draws one;
            below 0 crowns stay green above somewhat harder fires, too.
        char_fade_days: least and most days in which the char fades to 1/e.
        regrowth_days: least and most days in which the herbs grow back to 1 - 1/e.
        cloud_fraction: mean share of cloud over all dates.
        cloud_spread: 0 = every date has `cloud_fraction`; 1 = dates differ as much as real ones do.
        haze_reflectance: largest blue path reflectance left by the atmospheric correction.
        haze_bias_reflectance: path reflectance in blue on every date, about 0.08 for top of atmosphere.
        smoke_reflectance: largest blue path reflectance of smoke while a fire is active.
        gain_spread: standard deviation of a satellite's gain per band.
        offset_spread_reflectance: standard deviation of a satellite's offset per band.
        date_gain_spread: standard deviation of a gain common to the bands of one date (viewing, correction).
        noise_reflectance: standard deviation of the sensor's noise at reflectance 0.1.
        jitter_px: largest misregistration per axis.
        psf_px: standard deviation of the point spread function.
        terrain_relief_m: standard deviation of the height in the steepest land; each land draws its own below it.
        season_strength: 0 = no phenology, 1 = as drawn from the biome.
        flash_drying: 0 = herbs brown over months; 1 = in some lands within weeks.
        tree_growth: share of the patches on which trees grow again once they have gone; on open land they come up on
            fewer. 0 = none ever grow.
        tree_growth_days: least and most days until such trees cover half of the ground that they will.
        spectral_spread: standard deviation of the logarithm by which a landscape's spectra leave their ranges.
        sensor: whose band centres the four bands have; every date of a series has the same ones.
        farming_strength: 0 = fields never change by harvest or plough, 1 = as usual.
        udm2_error: 0 = the UDM2 is the truth, 1 = misses and false alarms as in real ones.
        satellites: 4-hex identifiers of which each date draws one.
    """

    theme: Theme
    height: int = 256
    width: int = 256
    res_m: float = 3.0
    dates: int = 8
    start: date = date(2020, 6, 1)
    gap_days: tuple[int, int] = (5, 20)
    bands: int = 4
    latitude_deg: float = -15.0
    biome: Biome = "any"
    fire_regime: FireRegime = "any"
    fire_share: tuple[float, float] = (0.08, 0.6)
    fire_chance: float | None = None
    earlier_fire_chance: float = 0.0
    clearing_share: tuple[float, float] = (0.08, 0.5)
    clearing_chance: float | None = None
    char_share: tuple[float, float] = (0.7, 1.2)
    combustion: tuple[float, float] = (0.6, 1.05)
    crown_scorch: tuple[float, float] = (0.25, 0.25)
    char_fade_days: tuple[float, float] = (40.0, 240.0)
    regrowth_days: tuple[float, float] = (80.0, 600.0)
    cloud_fraction: float = 0.3
    cloud_spread: float = 1.0
    haze_reflectance: float = 0.03
    haze_bias_reflectance: float = 0.0
    smoke_reflectance: float = 0.12
    gain_spread: float = 0.03
    offset_spread_reflectance: float = 0.003
    date_gain_spread: float = 0.03
    noise_reflectance: float = 0.003
    jitter_px: float = 0.4
    psf_px: float = 0.55
    terrain_relief_m: float = 250.0
    season_strength: float = 1.0
    flash_drying: float = 0.0
    tree_growth: float = 0.0
    tree_growth_days: tuple[float, float] = (700.0, 3000.0)
    spectral_spread: float = 0.0
    sensor: Sensor = "superdove"
    farming_strength: float = 1.0
    udm2_error: float = 1.0
    satellites: tuple[str, ...] = SATELLITES

    def __post_init__(self) -> None:
        _one_of("theme", self.theme, THEMES)
        _one_of("biome", self.biome, ("any", *BIOMES))
        _one_of("fire_regime", self.fire_regime, ("any", *FIRE_REGIMES))
        _one_of("sensor", self.sensor, SENSORS)
        _one_of("bands", self.bands, (4, 8))
        if self.bands == 8 and self.sensor != "superdove":
            raise SpecRefused(f"eight bands are the superdove's; got the sensor {self.sensor}")
        if self.height < 8 or self.width < 8 or self.dates < 1:
            raise SpecRefused(f"expected >= 8 x 8 px and >= 1 date; got {self.height} x {self.width} x {self.dates}")
        if self.res_m <= 0 or abs(self.latitude_deg) > 75:
            raise SpecRefused(f"expected res_m > 0, |latitude| <= 75; got {self.res_m}, {self.latitude_deg}")
        if not 1 <= self.gap_days[0] <= self.gap_days[1]:
            raise SpecRefused(f"expected 1 <= least gap <= most gap in days; got {self.gap_days}")
        for name in ("fire_share", "clearing_share"):
            low, high = getattr(self, name)
            if not 0 <= low <= high <= 1:
                raise SpecRefused(f"expected 0 <= least {name} <= most <= 1; got {low}, {high}")
        for name in ("char_share", "combustion", "char_fade_days", "regrowth_days", "tree_growth_days"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise SpecRefused(f"expected 0 < least {name} <= most; got {low}, {high}")
        low, high = self.crown_scorch
        if not -1 <= low <= high <= 1:
            raise SpecRefused(f"expected -1 <= least crown_scorch <= most <= 1; got {low}, {high}")
        if self.theme == "tree-cover" and self.earlier_fire_chance > 0:
            raise SpecRefused(f"expected earlier_fire_chance 0 for tree-cover; got {self.earlier_fire_chance}")
        if self.jitter_px > 1:
            raise SpecRefused(f"expected jitter_px <= 1; got {self.jitter_px}")
        self._check_magnitudes()
        bad = [name for name in self.satellites if not re.fullmatch("[0-9a-f]{4}", name)]
        if bad or not self.satellites:
            raise SpecRefused(f"expected satellites as 4 hex digits (104b); got {', '.join(bad) or 'none'}")

    def _check_magnitudes(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float) and not math.isfinite(value):
                raise SpecRefused(f"{field.name} is {value}")
            if (
                field.name.endswith(("_reflectance", "_spread", "_px", "_strength", "_error", "_relief_m"))
                and value < 0
            ):
                raise SpecRefused(f"expected {field.name} >= 0; got {value}")
        for name in _SHARES:
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise SpecRefused(f"expected {name} in 0..1; got {value}")

    @property
    def roles(self) -> tuple[str, ...]:
        """Roles of the bands, in order (`geo.bands`)."""
        return PLANETSCOPE_4 if self.bands == 4 else PLANETSCOPE_8

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.height, self.width


def _one_of(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        raise SpecRefused(f"unknown {name} {value!r}; use one of {', '.join(map(str, allowed))}")
