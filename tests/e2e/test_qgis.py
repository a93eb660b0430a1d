"""QGIS, Debian's, headless: opens products over HTTP, applies their styles, and shows the classes in their colours."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import uvicorn
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from tests.geo.block_files import LEGEND, burning, folders
from tests.programs import need, refuse
from tests.workers.test_assembly import CARD, LABELS, ignore, plan_blocks
from workers.assembly import assemble

pytestmark = pytest.mark.e2e
RENDER = Path(__file__).parent / "qgis_render.py"
SHAPE = (1100, 1300)
GRID = GeoBox(SHAPE, Affine(3, 0, 600_000, 0, -3, 4_100_000), "EPSG:32610")


@pytest.fixture(scope="module")
def python() -> str:
    """Python of the system, with QGIS in it."""
    program = need("/usr/bin/python3")
    found = subprocess.run([program, "-c", "import qgis.core"], capture_output=True, check=False, env=environment())
    if found.returncode:
        refuse("python3-qgis is not installed")
    return program


@pytest.fixture(scope="module")
def products(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("job")
    plan = plan_blocks(burning(SHAPE, cloud=0.1), folder / "blocks", 512, GRID, min_area_ha=0.5, simplify_px=1.0)
    assemble(plan, CARD, folders(folder / "blocks"), folder / "out", ignore)
    return folder / "out"


def environment() -> dict[str, str]:
    """The environment without this project's Python, and without a screen."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV", "GDAL"))}
    return {
        **kept,
        "QT_QPA_PLATFORM": "offscreen",
        "no_proxy": "127.0.0.1",
        "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    }


@contextmanager
def served(folder: Path, ranges: list[str]) -> Iterator[str]:
    """Serve a folder over HTTP with Range; notes the ranges that were asked for."""

    async def send(request: Request) -> Response:
        path = folder / request.path_params["name"]
        if not path.is_file():
            return Response(status_code=404)
        ranges.append(f"{path.name} {request.headers.get('range', 'all')}")
        return FileResponse(path)

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(
            uvicorn.Config(Starlette(routes=[Route("/{name}", send)]), log_level="error", lifespan="off")
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def render(python: str, kind: str, source: str, style: Path, out: Path) -> dict[str, Any]:
    run = subprocess.run(
        [python, str(RENDER), kind, source, str(style), str(out)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env=environment(),
    )
    assert run.returncode == 0, run.stderr
    description: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return description


def share(image: NDArray[np.uint8], color: str) -> float:
    """Part of an image that has exactly one colour."""
    rgb = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    return float((image == np.array(rgb, np.uint8)[:, None, None]).all(axis=0).mean())


def pixels(path: Path) -> NDArray[np.uint8]:
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning), rasterio.open(path) as png:
        image: NDArray[np.uint8] = png.read([1, 2, 3])
    return image


def test_mask_is_shown_in_the_colours_of_its_classes(python: str, products: Path, tmp_path: Path) -> None:
    name, ranges = f"mask_{LABELS[-1]}", list[str]()
    with served(products, ranges) as url:
        seen = render(python, "raster", f"/vsicurl/{url}/{name}.tif", products / f"{name}.qml", tmp_path / "mask.png")
    assert seen["crs"] == "EPSG:32610"
    assert seen["renderer"] == "paletted"
    assert seen["size"] == list(SHAPE)
    assert seen["nodata"] == 255
    assert seen["legend"] == [[c.name, c.color] for c in LEGEND]
    image = pixels(tmp_path / "mask.png")
    with rasterio.open(products / f"{name}.tif") as dataset:
        mask = dataset.read(1)
    height = 600 * SHAPE[0] / SHAPE[1]
    for c in LEGEND:
        assert share(image, c.color) == pytest.approx((mask == c.id).mean() * height / 600, abs=0.02)
    assert share(image, "#000000") == 0
    assert any(entry != f"{name}.tif all" for entry in ranges), "QGIS should stream, not download"


def test_change_date_is_shown_as_a_ramp_of_dates(python: str, products: Path, tmp_path: Path) -> None:
    with served(products, []) as url:
        seen = render(
            python,
            "raster",
            f"/vsicurl/{url}/change_date.tif",
            products / "change_date.qml",
            tmp_path / "change_date.png",
        )
    assert seen["renderer"] == "singlebandpseudocolor"
    assert [label for label, _ in seen["legend"]] == ["2020-08-01", "2020-08-09", "2020-08-17", "2020-08-28"]
    image = pixels(tmp_path / "change_date.png")
    with rasterio.open(products / "change_date.tif") as dataset:
        days = dataset.read(1)
    height = 600 * SHAPE[0] / SHAPE[1]
    for (_, color), day in zip(seen["legend"][1:], (18483, 18491, 18502), strict=True):
        assert share(image, color) == pytest.approx((days == day).mean() * height / 600, abs=0.02)
        assert share(image, color) > 0.01
    assert share(image, "#ffffff") > 0.3, "no change should be transparent"


@pytest.mark.parametrize("name", ["polygons.geojson", "polygons.gpkg"])
def test_polygons_are_filled_with_the_colours_of_their_classes(
    python: str, products: Path, tmp_path: Path, name: str
) -> None:
    with served(products, []) as url:
        seen = render(python, "vector", f"/vsicurl/{url}/{name}", products / "polygons.qml", tmp_path / "polygons.png")
    features = json.loads((products / "polygons.geojson").read_text())["features"]
    assert seen["crs"] == ("EPSG:4326" if name.endswith(".geojson") else "EPSG:32610")
    assert seen["features"] == len(features)
    assert {"class", "class_id", "first_seen", "last_seen", "area_ha", "mean_confidence"} <= set(seen["fields"])
    assert seen["legend"] == [[c.name, c.color] for c in LEGEND]
    image = pixels(tmp_path / "polygons.png")
    background, burned = LEGEND
    assert share(image, burned.color) > 0.1
    assert share(image, background.color) < 0.05, "what did not burn should be an outline only"


def test_confidence_is_shown_as_a_ramp(python: str, products: Path, tmp_path: Path) -> None:
    with served(products, []) as url:
        seen = render(
            python, "raster", f"/vsicurl/{url}/confidence.tif", products / "confidence.qml", tmp_path / "confidence.png"
        )
    assert [label for label, _ in seen["legend"]] == ["0 %", "20 %", "40 %", "60 %", "80 %", "100 %"]
    colors = np.unique(pixels(tmp_path / "confidence.png").reshape(3, -1), axis=1)
    assert colors.shape[1] > 10
