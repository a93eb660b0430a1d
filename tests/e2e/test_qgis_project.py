"""A job's QGIS project, opened by QGIS: from the unzipped download, and over HTTP; and tiles as an XYZ layer."""

from __future__ import annotations

import json
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from geo.qgis_project import as_qgz
from service.app import create_app
from tests.e2e.test_qgis import environment, pixels, python, share
from tests.geo.block_files import LEGEND
from tests.service.conftest import NO_BROKER, serving
from tests.service.made import add_made_job, add_made_scene, assembled
from workers.database import migrate
from workers.settings import Settings

pytestmark = pytest.mark.e2e
__all__ = ["python"]
OPEN = Path(__file__).parent / "qgis_project.py"
MASKS = [
    ("2020-08-28", ["2020-08-28T00:00:00Z", "2020-08-28T23:59:59Z"]),
    ("2020-08-17", ["2020-08-17T00:00:00Z", "2020-08-27T23:59:59Z"]),
    ("2020-08-09", ["2020-08-09T00:00:00Z", "2020-08-16T23:59:59Z"]),
    ("2020-08-01", ["2020-08-01T00:00:00Z", "2020-08-08T23:59:59Z"]),
]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service with a job that has ended, and a scene."""
    folder = tmp_path_factory.mktemp("served")
    settings = Settings(data_dir=folder / "data", broker_url=NO_BROKER)
    settings.data_dir.mkdir()
    migrate(settings.database)
    app = create_app(settings)
    add_made_job(app.state.context, *assembled(folder / "job"))
    add_made_scene(app.state.context, folder / "scene")
    with serving(app) as address:
        yield address


def opened(python: str, *arguments: str | Path) -> dict[str, Any]:
    run = subprocess.run(
        [python, str(OPEN), *map(str, arguments)],
        capture_output=True, text=True, timeout=240, check=False, env=environment(),
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    found: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return found


def fetched(url: str, path: str, to: Path) -> Path:
    answer = httpx.get(url + path, trust_env=False, timeout=60)
    assert answer.status_code == 200, answer.text
    to.write_bytes(answer.content)
    return to


def check(seen: dict[str, Any]) -> None:
    assert seen["title"] == "burned-area@8, 2020-08-01 to 2020-08-28"
    assert seen["crs"] == "EPSG:32610"
    assert seen["view"] == [600_000, 4_100_000 - 3 * 257, 600_000 + 3 * 311, 4_100_000]
    assert seen["period"] == ["2020-08-01T00:00:00Z", "2020-08-28T23:59:59Z"]
    layers = seen["layers"]
    assert all(layer["valid"] and layer["crs"] == "EPSG:32610" for layer in layers)
    above, masks = layers[:4], layers[4:]
    assert [(layer["name"], layer["renderer"], layer["period"]) for layer in above] == [
        ("Polygons", "categorizedSymbol", None),
        ("Date of change", "singlebandpseudocolor", None),
        ("Confidence", "singlebandpseudocolor", None),
        ("Last clear look", "singlebandpseudocolor", None),
    ]
    assert [(layer["name"], layer["period"]) for layer in masks] == MASKS
    for layer in masks:
        assert (layer["group"], layer["renderer"], layer["shown"]) == ("Masks", "paletted", True)
        assert layer["legend"] == [c.name for c in LEGEND]


def test_unzipped_folder_opens_at_once(python: str, url: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(fetched(url, "/jobs/job-1/results.zip", tmp_path / "results.zip")) as archive:
        archive.extractall(tmp_path / "moved here")
    check(opened(python, tmp_path / "moved here" / "project.qgz", tmp_path / "map.png"))
    for c in LEGEND:
        assert share(pixels(tmp_path / "map.png"), c.color) > 0.1


def test_project_over_http_and_tiles(python: str, url: str, tmp_path: Path) -> None:
    project = fetched(url, "/jobs/job-1/project.qgz", tmp_path / "project.qgz")
    template = f"{url}/tiles/masks/job-1/mask_20200828.tif/{{z}}/{{x}}/{{y}}.png"
    check(opened(python, project, tmp_path / "map.png", template, tmp_path / "tiles.png"))
    for c in LEGEND:
        wanted = share(pixels(tmp_path / "map.png"), c.color)
        assert wanted > 0.1
        # QGIS warps the tiles to the project's CRS, and mixes colours where they meet.
        assert share(pixels(tmp_path / "tiles.png"), c.color) == pytest.approx(wanted, abs=0.05)


def test_a_wmts_layer_is_read_by_its_capabilities(python: str, url: str, tmp_path: Path) -> None:
    capabilities = f"{url}/tiles/scenes/scene-1/WMTSCapabilities.xml"
    options = "contextualWMSLegend=0&crs=EPSG:3857&format=image/png&layers=scene-1&styles=default"
    source = f"{options}&tileMatrixSet=WebMercatorQuad&url={capabilities}"
    script = (
        "import sys, os; from qgis.core import *; app = QgsApplication([], False); app.initQgis();"
        f"layer = QgsRasterLayer({source!r}, 'scene', 'wms'); box = layer.extent();"
        "print(layer.isValid(), layer.crs().authid(), round(box.width()), round(box.height()));"
        "sys.stdout.flush(); os._exit(0)"
    )
    run = subprocess.run(
        [python, "-c", script], capture_output=True, text=True, timeout=120, check=True, env=environment()
    )
    valid, crs, width, height = run.stdout.split()
    assert (valid, crs) == ("True", "EPSG:3857")
    assert 2109 < int(width) < 2400
    assert 1803 < int(height) < 2100


def test_a_project_is_the_same_bytes_every_time() -> None:
    assert as_qgz(b"<qgis/>") == as_qgz(b"<qgis/>")
