"""`chronoseg segment` as a user runs it, in its own process."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import rasterio
from typer.testing import CliRunner

from geo.errors import SceneRejected
from service.cli.main import app
from service.cli.segment import scene_files, split_date
from tests.geo.scenes import landscape, lonlat_box, utm_grid, write_scene

GRID = utm_grid(90, 110)
BANDS = "blue=1,green=2,red=3,nir=4"
FIRES = Path(__file__).parents[3] / "shared" / "data" / "wildfire_pairs"

pytestmark = pytest.mark.e2e


def chronoseg(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parents[2]
    command = [
        sys.executable,
        "-c",
        f"import sys; sys.path.insert(0, {str(root)!r}); from service.cli.main import app; app()",
    ]
    return subprocess.run(
        [*command, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture
def scenes(tmp_path: Path) -> list[str]:
    made = [write_scene(tmp_path / "in", f"s{n}", GRID, values=landscape(90, 110, n)).reflectance for n in (1, 2)]
    return [f"{made[0]}@2020-08-01", f"{made[1]}@2020-09-15T10:30"]


def test_two_scenes_become_masks(scenes: list[str], tmp_path: Path) -> None:
    (tmp_path / "aoi.geojson").write_text(json.dumps(lonlat_box(GRID, 10, 10, 80, 100)))
    done = chronoseg(
        "segment", *scenes, "--bands", BANDS, "--scale", "0.0001", "--model", "burned-area",
        "--aoi", "aoi.geojson", "--threads", 1, "--out", "out", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "in out" in done.stdout
    assert "segmenting" in done.stderr
    with rasterio.open(tmp_path / "out" / "mask_20200915.tif") as dataset:
        assert dataset.nodata == 255
    assert sorted(path.name for path in tmp_path.iterdir()) == ["aoi.geojson", "in", "out"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "no-such-model"], "no model 'no-such-model'"),
        (["--model", "burned-area", "--start", "2022-01-01"], "the nearest: 2020-09-15"),
        (["--model", "burned-area", "--aoi", "far.geojson"], "outside of all 2 scene"),
        (["--model", "burned-area", "--aoi", "swapped.geojson"], "axes look swapped"),
        (["--model", "burned-area", "--aoi", "broken.geojson"], "is not GeoJSON"),
        (["--model", "burned-area", "--bands", "blue=1,pink=2"], "unknown band role 'pink'"),
        (["--model", "burned-area", "--bands", "blue=1,green=2,red=3,nir=9"], "nir=9"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(
    scenes: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    box = lonlat_box(GRID, 10, 10, 80, 100)
    swapped = box | {"coordinates": [[[y, x] for x, y in box["coordinates"][0]]]}  # type: ignore[index]
    far = lonlat_box(utm_grid(9, 9, x=700_000), 0, 0, 9, 9)
    (tmp_path / "in" / "far.geojson").write_text(json.dumps(far))
    (tmp_path / "in" / "swapped.geojson").write_text(json.dumps(swapped))
    (tmp_path / "in" / "broken.geojson").write_text('{"type": "Poly')
    monkeypatch.chdir(tmp_path / "in")
    done = CliRunner().invoke(
        app, ["segment", *scenes, "--bands", BANDS, "--scale", "0.0001", "--out", str(tmp_path / "out"), *arguments]
    )
    assert done.exit_code == 1
    assert message in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_dates_are_split_from_paths(tmp_path: Path) -> None:
    assert split_date("a/b.tif@2020-08-01") == (Path("a/b.tif"), datetime(2020, 8, 1, tzinfo=UTC))
    assert split_date("a@b.tif@2020-08-01T10:30:00+02:00")[1] == datetime(2020, 8, 1, 8, 30, tzinfo=UTC)
    odd = tmp_path / "a@2020.tif"
    odd.touch()
    assert split_date(str(odd)) == (odd, None)
    with pytest.raises(SceneRejected, match="'yesterday'"):
        split_date("a.tif@yesterday")


def test_scenes_of_one_name_get_distinct_ids(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "post_fire.tif").touch()
    paths = [str(tmp_path / folder / "post_fire.tif") for folder in ("x", "y")]
    assert [file.options.scene_id for file in scene_files(paths, None, None)] == ["post_fire", "post_fire-2"]
    with pytest.raises(FileNotFoundError, match=r"no such file: .*nothing\.tif"):
        scene_files([str(tmp_path / "nothing.tif")], None, None)


@pytest.mark.skipif(not FIRES.is_dir(), reason="the fires lie outside of the repository")
def test_a_real_fire(tmp_path: Path) -> None:
    fire = FIRES / "68_20210818"
    done = chronoseg(
        "segment", f"{fire}/pre_fire.tif@2021-08-01", f"{fire}/post_fire.tif@2021-09-15", "--bands", BANDS,
        "--scale", "0.0001", "--model", "burned-area", "--out", "out", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with rasterio.open(tmp_path / "out" / "mask_20210915.tif") as mask, rasterio.open(fire / "post_fire.tif") as image:
        assert mask.crs == image.crs
        assert mask.transform.a == pytest.approx(image.transform.a, rel=1e-9)
