from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from geo.blocks import Window
from geo.errors import StackRefused
from geo.reader import DateReader
from geo.stack import open_stack
from tests.geo.scenes import BANDS, utm_grid, write_scene

FIRST = datetime(2020, 8, 1, 10, 30, tzinfo=UTC)


def test_a_stack_agrees_with_the_reader(tmp_path: Path) -> None:
    grid = utm_grid(70, 90)
    beside = utm_grid(70, 60, x=500_001.5 + 50 * 3)
    scenes = [
        write_scene(tmp_path, "a", grid, acquired=FIRST, seed=1),
        write_scene(tmp_path, "b", beside, acquired=FIRST + timedelta(seconds=9), seed=2),
        write_scene(tmp_path, "c", grid, acquired=FIRST + timedelta(days=3), seed=3),
    ]
    output = utm_grid(80, 120)
    stack = open_stack(scenes, output, ("nir", "red"), chunk_px=32)
    assert stack["nir"].chunks is not None
    assert stack["label"].to_numpy().tolist() == ["20200801", "20200804"]
    assert stack.odc.geobox.shape == output.shape
    for index, names in enumerate((scenes[:2], scenes[2:])):
        values, clear = DateReader(names, output, ("nir", "red")).read(Window(0, 0, 80, 120))
        np.testing.assert_array_equal(stack["clear"][index], clear)
        for band, role in enumerate(("nir", "red")):
            loaded = stack[role][index].to_numpy()
            np.testing.assert_array_equal(np.isnan(loaded), values[band] == 0)
            np.testing.assert_allclose(np.nan_to_num(loaded), values[band], atol=1e-6)


def test_a_stack_needs_every_band(tmp_path: Path) -> None:
    scene = write_scene(tmp_path, "a", utm_grid(20, 20), bands=BANDS[:3])
    with pytest.raises(StackRefused, match="scene a lacks nir"):
        open_stack([scene], scene.geobox, BANDS)
    with pytest.raises(StackRefused, match="no scenes"):
        open_stack([], scene.geobox, BANDS)
