"""The clients that people have: stac-api-validator, pystac-client, odc.stac, OWSLib; against the real processes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import odc.stac
import pystac_client
import pytest
import rasterio
from owslib.ogcapi.processes import Processes

from tests.catalogues import enter_scenes
from tests.conftest import wait_for
from tests.e2e.test_serve import end_of, get, serve, simulate, start_job, upload_all
from workers.database import close_database, open_database

pytestmark = pytest.mark.e2e
COUNT = 500


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path, str]]:
    """A service with four uploaded scenes, a job's masks, and 490 more scenes: its address, the uploads, the job."""
    folder = tmp_path_factory.mktemp("clients")
    simulate(folder / "scenes")
    with serve(folder / "data") as (_, url):
        uploaded = upload_all(url, folder / "scenes")
        job = start_job(url, folder / "scenes")
        assert end_of(job)["status"] == "successful"
        masks = get(f"{url}/collections/masks/items?limit=100")["numberMatched"]
        sessions = open_database(f"sqlite:///{folder / 'data' / 'chronoseg.db'}")
        enter_scenes(sessions, COUNT - len(uploaded) - masks)
        close_database(sessions)
        assert get(f"{url}/search?limit=1")["numberMatched"] == COUNT
        yield url, folder / "scenes", job


@pytest.mark.parametrize("collection", ["scenes", "masks"])
def test_stac_api_validator_finds_no_error(catalogue: tuple[str, Path, str], collection: str) -> None:
    url, scenes, _ = catalogue
    geometry = (scenes / "aoi.geojson").read_text()
    classes = ("core", "collections", "features", "item-search", "filter")
    command = [sys.executable, "-m", "tests.e2e.stac_api_validate", "--root-url", f"{url}/", "--collection", collection]
    command += ["--geometry", geometry, "--validate-pagination", "--log-level", "ERROR"]
    command += [part for name in classes for part in ("--conformance", name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert "Errors: none" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0


def test_pystac_client_finds_pages_and_downloads(catalogue: tuple[str, Path, str], tmp_path: Path) -> None:
    url, _, job = catalogue
    client = pystac_client.Client.open(f"{url}/")
    assert {one.id for one in client.get_collections()} == {"scenes", "masks"}
    found = list(client.search(limit=60).items())
    assert len({item.id for item in found}) == len(found) == COUNT
    clear = client.search(
        collections=["scenes"], filter="eo:cloud_cover < 10", sortby="+properties.eo:cloud_cover", max_items=20
    )
    clouds = [item.properties["eo:cloud_cover"] for item in clear.items()]
    assert clouds == sorted(clouds)
    assert clouds[-1] < 10
    masks = list(client.search(collections=["masks"], query=None, sortby="+datetime").items())
    assert {item.properties["chronoseg:job"] for item in masks} == {job.rsplit("/", 1)[-1]}
    asset = masks[-1].assets["mask"]
    data = httpx.get(asset.href, trust_env=False).content
    assert len(data) == asset.extra_fields["file:size"]
    sources = [link for link in masks[-1].links if link.rel == "derived_from"]
    assert get(sources[0].href)["collection"] == "scenes"
    assert {"change_date", "confidence", "polygons_geojson", "areas_csv"} <= set(masks[-1].assets)


def test_odc_stac_loads_masks_from_a_search(catalogue: tuple[str, Path, str], tmp_path: Path) -> None:
    url, _, _ = catalogue
    items = list(pystac_client.Client.open(f"{url}/").search(collections=["masks"], sortby="+datetime").items())
    cube = odc.stac.load(items, bands=["mask"])
    assert len(cube.time) == len(items)
    for number, item in enumerate(items):
        path = tmp_path / f"{number}.tif"
        path.write_bytes(httpx.get(item.assets["mask"].href, trust_env=False).content)
        with rasterio.open(path) as file:
            np.testing.assert_array_equal(cube["mask"][number].values, file.read(1))


def test_owslib_lists_describes_and_executes(catalogue: tuple[str, Path, str]) -> None:
    url, scenes, _ = catalogue
    service = Processes(f"{url}/")
    assert [one["id"] for one in service.processes()] == ["segment"]
    assert set(service.process("segment")["inputs"]) >= {"aoi", "period", "model"}
    inputs: dict[str, Any] = {"aoi": json.loads((scenes / "aoi.geojson").read_text()), "model": "burned-area"}
    started = service.execute("segment", inputs, async_=True)
    job = f"{url}/jobs/{started['jobID']}"
    wait_for(lambda: get(job)["status"] not in {"accepted", "running"}, "the job ends", 240)
    assert get(job)["status"] == "successful"
