"""Tiles against rasterio's own warping of the same place, and the documents by which maps find them."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from owslib.wmts import WebMapTileService
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT

from service.app import create_app
from service.context import Context
from tests.geo.block_files import DAYS, LEGEND
from tests.service.conftest import NO_BROKER, serving
from tests.service.made import add_made_job, add_made_scene, assembled, pixels
from workers.database import migrate
from workers.plan import Plan
from workers.product import Product
from workers.settings import Settings

EDGE_M = math.pi * 6378137
SCENE = "/tiles/scenes/scene-1"
MASKS = "/tiles/masks/job-1"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, list[Product]]:
    return assembled(tmp_path_factory.mktemp("job"))


@pytest.fixture
def scene(parts: Context, tmp_path: Path) -> Path:
    return add_made_scene(parts, tmp_path)


@pytest.fixture
def products(parts: Context, made: tuple[Plan, list[Product]]) -> dict[str, Product]:
    add_made_job(parts, *made)
    return {product.name: product for product in made[1]}


def tile_over(path: Path, zoom: int, row_share: float = 0.5, col_share: float = 0.5) -> tuple[int, int]:
    """Return column and row of the tile that holds a place of a raster."""
    with rasterio.open(path) as dataset, WarpedVRT(dataset, crs="EPSG:4326") as vrt:
        lon = vrt.bounds.left + col_share * (vrt.bounds.right - vrt.bounds.left)
        lat = vrt.bounds.top - row_share * (vrt.bounds.top - vrt.bounds.bottom)
    count = 2**zoom
    y = (1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2
    return int((lon + 180) / 360 * count), int(y * count)


def warped(
    path: Path, zoom: int, x: int, y: int, resampling: Resampling, bands: tuple[int, ...] = (1,)
) -> np.ma.MaskedArray[Any, Any]:
    """Read what belongs into a tile, masked where there is nothing; from the overview that is just finer.

    GDAL's coordinates are off by up to an eighth of a pixel, and by how much depends on the bands that are read.
    """
    res = 2 * EDGE_M / 2**zoom / 256
    transform = Affine(res, 0, -EDGE_M + 256 * res * x, 0, -res, EDGE_M - 256 * res * y)
    place = {"crs": "EPSG:3857", "transform": transform, "width": 256, "height": 256}
    with rasterio.open(path) as dataset, WarpedVRT(dataset, crs="EPSG:3857") as vrt:
        levels = sum(factor * vrt.res[0] < res for factor in dataset.overviews(1))
    overview = {"overview_level": levels - 1} if levels else {}
    with rasterio.open(path, **overview) as dataset, WarpedVRT(dataset, resampling=resampling, **place) as vrt:
        found: np.ma.MaskedArray[Any, Any] = vrt.read(bands, masked=True)
        return found


def light(reflectance: Any, high: float) -> NDArray[Any]:
    return np.asarray(np.rint(255 * np.clip(reflectance / high, 0, 1) ** (1 / 1.4)))


@pytest.mark.parametrize("zoom", [14, 15, 17, 20])
def test_scene_is_shown_as_rasterio_warps_it(http: httpx.Client, scene: Path, zoom: int) -> None:
    x, y = tile_over(scene, zoom, col_share=0.15)
    answer = http.get(f"{SCENE}/{zoom}/{x}/{y}.png")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    shown, wanted = pixels(answer.content), warped(scene, zoom, x, y, Resampling.bilinear, (3, 2, 1))
    assert shown.shape == (4, 256, 256)
    seen = ~wanted.mask.all(axis=0)
    assert seen.any()
    assert np.array_equal(shown[3] == 255, seen)
    assert (shown[3][~seen] == 0).all()
    expected = light(wanted.data * 1e-4, 0.3)
    assert np.abs(shown[:3].astype(float) - expected)[:, seen].max() <= 1


def test_what_is_smaller_than_a_tile_is_shown_by_its_nearest_pixels(http: httpx.Client, scene: Path) -> None:
    x, y = tile_over(scene, 11)
    shown = pixels(http.get(f"{SCENE}/11/{x}/{y}.png").content)
    wanted = warped(scene, 11, x, y, Resampling.nearest, (3, 2, 1))
    assert np.array_equal(shown[3] == 255, ~wanted.mask.all(axis=0))
    assert np.abs(shown[0].astype(float) - light(wanted.data[0] * 1e-4, 0.3))[shown[3] == 255].max() <= 1


def test_left_columns_of_the_scene_are_transparent(http: httpx.Client, scene: Path) -> None:
    x, y = tile_over(scene, 19, col_share=0.06)
    assert not pixels(http.get(f"{SCENE}/19/{x}/{y}.png").content)[-1].any()


def test_other_bands_and_stretch(http: httpx.Client, scene: Path) -> None:
    x, y = tile_over(scene, 15)
    wanted = warped(scene, 15, x, y, Resampling.bilinear, (4, 3, 2))
    seen = ~wanted.mask.all(axis=0)
    query = {"bands": "nir,red,green", "rescale": ["0.05,0.5", "0,0.4", "0.1,0.2"]}
    shown = pixels(http.get(f"{SCENE}/15/{x}/{y}.png", params=query).content)
    for band, values, low, high in zip(shown[:3], wanted.data, (0.05, 0, 0.1), (0.5, 0.4, 0.2), strict=True):
        expected = light(values * 1e-4 - low, high - low)
        assert np.abs(band.astype(float) - expected)[seen].max() <= 1
    grey = pixels(http.get(f"{SCENE}/15/{x}/{y}.png", params={"bands": "nir"}).content)
    assert len(grey) == 2
    wanted = warped(scene, 15, x, y, Resampling.bilinear, (4,))
    assert np.abs(grey[0].astype(float) - light(wanted.data[0] * 1e-4, 0.6))[seen].max() <= 1


@pytest.mark.parametrize("zoom", [14, 16, 19])
def test_mask_has_the_colours_of_its_classes(http: httpx.Client, products: dict[str, Product], zoom: int) -> None:
    name = "mask_20200828.tif"
    x, y = tile_over(products[name].path, zoom)
    shown = pixels(http.get(f"{MASKS}/{name}/{zoom}/{x}/{y}.png").content)
    wanted = warped(products[name].path, zoom, x, y, Resampling.nearest)[0]
    assert np.array_equal(shown[3] == 255, ~wanted.mask)
    classes = set()
    for c in LEGEND:
        there = (wanted.data == c.id) & ~wanted.mask
        classes.add(bool(there.any()))
        assert (shown[:3, there] == np.array(c.rgb)[:, None]).all()
    assert classes == {True}


@pytest.mark.parametrize("name", ["change_date.tif", "last_look.tif"])
def test_dates_have_the_colours_of_the_style(http: httpx.Client, products: dict[str, Product], name: str) -> None:
    from defusedxml import ElementTree

    style = ElementTree.parse(products[name].path.with_suffix(".qml"))
    ramp = {int(float(item.attrib["value"])): item.attrib["color"] for item in style.iter("item")}
    assert list(ramp) == list(DAYS)
    x, y = tile_over(products[name].path, 16)
    shown = pixels(http.get(f"{MASKS}/{name}/16/{x}/{y}.png").content)
    wanted = warped(products[name].path, 16, x, y, Resampling.nearest)[0]
    assert np.array_equal(shown[3] == 255, ~wanted.mask)
    days = set(wanted.compressed().tolist())
    assert len(days) >= 3
    for day in days:
        color = [int(ramp[day][i : i + 2], 16) for i in (1, 3, 5)]
        assert (shown[:3, wanted.filled(0) == day] == np.array(color)[:, None]).all()


def test_confidence_goes_from_purple_to_green(http: httpx.Client, products: dict[str, Product]) -> None:
    x, y = tile_over(products["confidence.tif"].path, 16)
    shown = pixels(http.get(f"{MASKS}/confidence.tif/16/{x}/{y}.png").content)
    wanted = warped(products["confidence.tif"].path, 16, x, y, Resampling.nearest)[0].filled(255)
    for percent, color in ((60, (217, 240, 211)), (80, (127, 191, 123)), (100, (27, 120, 55))):
        assert (wanted == percent).any()
        assert (shown[:3, wanted == percent] == np.array(color)[:, None]).all()


def test_outside_of_a_layer_everything_is_transparent(
    http: httpx.Client, scene: Path, products: dict[str, Product]
) -> None:
    for path in (f"{SCENE}/10/1/1.png", f"{MASKS}/change_date.tif/24/5/5.png", f"{SCENE}/3/7/7.png"):
        answer = http.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
        assert not pixels(answer.content)[-1].any()


def test_whole_earth_shows_the_scene_in_its_place_alone(http: httpx.Client, scene: Path) -> None:
    x, y = tile_over(scene, 8)  # pixel of the tile 0/0/0
    drawn = np.argwhere(pixels(http.get(f"{SCENE}/0/0/0.png").content)[-1])
    assert all(abs(row - y) <= 1 and abs(col - x) <= 1 for row, col in drawn)


def test_scene_across_the_antimeridian_is_on_both_edges(http: httpx.Client, parts: Context, tmp_path: Path) -> None:
    grid = GeoBox((400, 1200), Affine(30, 0, 809_000, 0, -30, 8_000_000), "EPSG:32760")
    add_made_scene(parts, tmp_path, grid=grid)
    count = 2**11
    document = http.get(f"{SCENE}/tilejson.json").json()
    assert document["bounds"][0] == -180
    assert abs(document["center"][0]) > 179
    row = int((1 - math.asinh(math.tan(math.radians(document["center"][1]))) / math.pi) / 2 * count)
    for x in (0, count - 1):
        assert pixels(http.get(f"{SCENE}/11/{x}/{row}.png").content)[-1].any(), x
    assert not pixels(http.get(f"{SCENE}/11/{count // 2}/{row}.png").content)[-1].any()


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/3/8/0.png", 404, "tile-unknown"),
        ("/3/0/8.png", 404, "tile-unknown"),
        ("/25/0/0.png", 422, "inputs-refused"),
        ("/-1/0/0.png", 422, "inputs-refused"),
        ("/3/-1/0.png", 422, "inputs-refused"),
        ("/3/99999999999999999999/0.png", 422, "inputs-refused"),
        ("/3/a/0.png", 422, "inputs-refused"),
        ("/3/0.5/0.png", 422, "inputs-refused"),
        ("/3/1/1.jpg", 404, "about:blank"),
        ("/3/1/1.png?bands=rededge", 422, "inputs-refused"),
        ("/3/1/1.png?bands=red,green", 422, "inputs-refused"),
        ("/3/1/1.png?rescale=0.3,0.3", 422, "inputs-refused"),
        ("/3/1/1.png?rescale=0,nan", 422, "inputs-refused"),
        ("/3/1/1.png?rescale=0,1&rescale=0,1", 422, "inputs-refused"),
        ("/tilejson.json?bands=purple", 422, "inputs-refused"),
    ],
)
def test_odd_addresses_are_refused(http: httpx.Client, scene: Path, path: str, status: int, kind: str) -> None:
    answer = http.get(SCENE + path)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"].endswith(kind)


def test_what_is_no_layer(http: httpx.Client, products: dict[str, Product]) -> None:
    for name, kind in (
        ("areas.csv", "layer-unknown"),
        ("mask_20200801.qml", "layer-unknown"),
        ("x", "product-unknown"),
    ):
        answer = http.get(f"{MASKS}/{name}/3/1/1.png")
        assert (answer.status_code, answer.json()["type"]) == (404, f"urn:chronoseg:problem:{kind}")
    assert http.get("/tiles/scenes/nobody/1/1/1.png").status_code == 404


def test_tile_is_known_by_its_tag(http: httpx.Client, scene: Path) -> None:
    x, y = tile_over(scene, 15)
    path = f"{SCENE}/15/{x}/{y}.png"
    answer = http.get(path)
    tag = answer.headers["etag"]
    assert answer.headers["cache-control"].startswith("private")
    same = http.get(path, headers={"If-None-Match": tag})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    assert http.get(path, headers={"If-Match": '"x"'}).status_code == 412
    head = http.head(path)
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", tag)
    assert head.headers["content-length"] == str(len(answer.content))
    others = [f"{SCENE}/15/{x + 1}/{y}.png", f"{path}?bands=nir", f"{path}?rescale=0,0.2"]
    assert len({tag, *(http.get(other).headers["etag"] for other in others)}) == 4


def test_what_is_gone_or_damaged_says_so(http: httpx.Client, parts: Context, products: dict[str, Product]) -> None:
    x, y = tile_over(products["confidence.tif"].path, 16)
    place = Path(parts.store.gdal_path("masks/job-1/confidence.tif"))
    data = place.read_bytes()
    place.unlink()  # the file may be shared with the test's own
    place.write_bytes(data[: len(data) // 2])
    answer = http.get(f"{MASKS}/confidence.tif/16/{x}/{y}.png")
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:chronoseg:problem:raster-unreadable")
    assert "retry-after" in answer.headers
    assert str(place) not in answer.text
    place.unlink()
    assert http.get(f"{MASKS}/confidence.tif/16/{x}/{y}.png").json()["type"].endswith("not-stored")


def test_only_geotiffs_are_opened(http: httpx.Client, parts: Context, products: dict[str, Product]) -> None:
    place = Path(parts.store.gdal_path("masks/job-1/confidence.tif"))
    other = Path(parts.store.gdal_path("masks/job-1/change_date.tif"))
    place.unlink()
    place.write_text(
        f'<VRTDataset rasterXSize="9" rasterYSize="9"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>'
        f"<SourceFilename>{other}</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    assert http.get(f"{MASKS}/confidence.tif/tilejson.json").status_code == 503


def test_tilejson_leads_to_the_tiles(http: httpx.Client, scene: Path, products: dict[str, Product]) -> None:
    for base, query, path in (
        (SCENE, "?bands=nir,red,green&rescale=0,0.5", scene),
        (f"{MASKS}/change_date.tif", "", products["change_date.tif"].path),
    ):
        document = http.get(f"{base}/tilejson.json{query}").json()
        assert document["tilejson"] == "3.0.0"
        with rasterio.open(path) as dataset, WarpedVRT(dataset, crs="EPSG:4326") as vrt:
            assert document["bounds"] == pytest.approx(list(vrt.bounds), abs=1e-4)
        zoom = document["maxzoom"]
        x, y = tile_over(path, zoom)
        [template] = document["tiles"]
        assert template.endswith(query)
        tile = http.get(template.format(z=zoom, x=x, y=y))
        assert pixels(tile.content)[-1].any()


def test_a_wmts_client_finds_its_way(http: httpx.Client, url: str, scene: Path, products: dict[str, Product]) -> None:
    for base, layer, path in (
        (f"{SCENE}", "scene-1", scene),
        (f"{MASKS}/mask_20200828.tif", "job-1_mask_20200828", products["mask_20200828.tif"].path),
    ):
        answer = http.get(f"{base}/WMTSCapabilities.xml?x=<&>")
        assert answer.headers["content-type"].startswith("application/xml")
        service = WebMapTileService(f"{url}{base}/WMTSCapabilities.xml", xml=answer.content)
        assert list(service.contents) == [layer]
        found = service.contents[layer]
        with rasterio.open(path) as dataset, WarpedVRT(dataset, crs="EPSG:4326") as vrt:
            assert found.boundingBoxWGS84 == pytest.approx(tuple(vrt.bounds), abs=1e-4)
        matrices = service.tilematrixsets["WebMercatorQuad"]
        assert matrices.crs == "urn:ogc:def:crs:EPSG::3857"
        zoom = max(map(int, matrices.tilematrix))
        matrix = matrices.tilematrix[str(zoom)]
        assert matrix.scaledenominator == pytest.approx(2 * EDGE_M / 2**zoom / 256 / 0.00028)
        assert matrix.topleftcorner == pytest.approx((-EDGE_M, EDGE_M))
        x, y = tile_over(path, zoom)
        address = service.buildTileResource(
            layer=layer, style="default", format="image/png", tilematrixset="WebMercatorQuad", tilematrix=str(zoom),
            row=y, column=x,
        )  # fmt: skip
        assert pixels(http.get(address).content)[-1].any()


def test_items_link_to_their_tiles(http: httpx.Client, scene: Path, products: dict[str, Product]) -> None:
    for collection, count in (("scenes", 1), ("masks", 7)):
        items = http.get(f"/collections/{collection}/items").json()["features"]
        links = [link for item in items for link in item["links"] if link["rel"] in {"xyz", "tilejson", "wmts"}]
        assert len(links) == 3 * count
        for item in items:
            assert any("/web-map-links/" in extension for extension in item["stac_extensions"])
        for link in links:
            assert http.get(link["href"].format(z=0, x=0, y=0)).headers["content-type"].startswith(link["type"])
            assert (link["rel"] == "wmts") == ("wmts:layer" in link)


def test_tiles_from_s3(s3: tuple[str, str], tmp_path: Path, made: tuple[Plan, list[Product]]) -> None:
    endpoint, bucket = s3
    settings = Settings(
        data_dir=tmp_path / "data", broker_url=NO_BROKER, store_url=f"s3://{bucket}/store", s3_endpoint_url=endpoint
    )
    settings.data_dir.mkdir()
    migrate(settings.database)
    app = create_app(settings)
    add_made_job(app.state.context, *made)
    path = next(product.path for product in made[1] if product.name == "mask_20200828.tif")
    x, y = tile_over(path, 16)
    with serving(app) as url, httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        shown = pixels(client.get(f"{MASKS}/mask_20200828.tif/16/{x}/{y}.png").content)
        app.state.context.store.remove("masks/job-1/mask_20200828.tif")
        assert client.get(f"{MASKS}/mask_20200828.tif/16/{x}/{y}.png").status_code == 404
    assert np.array_equal(shown[3] == 255, ~warped(path, 16, x, y, Resampling.nearest)[0].mask)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Tiles that take as long as the test wants."""
    going = threading.Event()

    def wait(*_: Any) -> bytes:
        going.wait(30)
        return b""

    monkeypatch.setattr("service.drawing._draw", wait)
    yield going
    going.set()


def test_the_api_answers_while_tiles_are_drawn(
    http: httpx.Client, url: str, parts: Context, scene: Path, slow: threading.Event
) -> None:
    def ask(number: int) -> None:
        httpx.get(f"{url}{SCENE}/8/{number}/1.png", timeout=60, trust_env=False)

    asking = [threading.Thread(target=ask, args=(number,)) for number in range(60)]
    for thread in asking:
        thread.start()
    try:
        end = time.monotonic() + 20
        while parts.drawing.statistics().tasks_waiting < 40 and time.monotonic() < end:
            time.sleep(0.05)
        assert parts.drawing.statistics().tasks_waiting >= 40
        assert parts.drawing.statistics().borrowed_tokens == parts.drawing.total_tokens
        assert http.get("/health").status_code == 200
        assert json.loads(http.get("/scenes").text)["scenes"][0]["id"] == "scene-1"
    finally:
        slow.set()
        for thread in asking:
            thread.join(60)
