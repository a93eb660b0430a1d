"""Every route that sends a file or a tile, found among the app's own routes: HEAD, conditions, ranges, caching."""

from __future__ import annotations

import math
import subprocess
import sys
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from service.context import Context
from tests.service.made import add_made_job, add_made_scene, assembled
from workers.database import writing
from workers.keys import create_key
from workers.plan import Plan
from workers.product import Product

TEXT = ("application/json", "application/geo+json", "application/schema+json", "application/xml", "application/vnd.oai")
"""Answers that are made anew each time; all others are files."""


def names() -> dict[str, str]:
    x = int((-62.0607 + 180) / 360 * 2**15)
    y = int((1 - math.asinh(math.tan(math.radians(-14.8405))) / math.pi) / 2 * 2**15)
    return {"scene_id": "scene-1", "job_id": "job-1", "model_id": "burned-area", "z": "15", "x": str(x), "y": str(y)}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, list[Product]]:
    return assembled(tmp_path_factory.mktemp("job"))


@pytest.fixture
def paths(app: FastAPI, parts: Context, made: tuple[Plan, list[Product]], tmp_path: Path) -> dict[str, str]:
    """Addresses of files by their templates."""
    add_made_job(parts, *made)
    add_made_scene(parts, tmp_path)
    found = {}
    for template, methods in app.openapi()["paths"].items():
        types = methods.get("get", {}).get("responses", {}).get("200", {}).get("content", {})
        if "get" in methods and not template.endswith("/events") and not any(one.startswith(TEXT) for one in types):
            name = "reflectance.tif" if "/assets/" in template else "change_date.tif"
            found[template] = template.format(**names(), name=name)
    return found


def test_the_routes_are_those_that_we_know(paths: dict[str, str]) -> None:
    """A new one is tested by itself; here somebody sees that it is meant to be a file."""
    assert set(paths) == {
        "/jobs/{job_id}/project.qgz",
        "/jobs/{job_id}/results.zip",
        "/masks/{job_id}/{name}",
        "/models/{model_id}/weights.safetensors",
        "/scenes/{scene_id}/assets/{name}",
        "/tiles/masks/{job_id}/{name}/{z}/{x}/{y}.png",
        "/tiles/scenes/{scene_id}/{z}/{x}/{y}.png",
    }


def test_head_tells_what_get_sends(http: httpx.Client, paths: dict[str, str]) -> None:
    for path in paths.values():
        whole, head = http.get(path), http.head(path)
        assert (whole.status_code, head.status_code) == (200, 200), path
        assert head.content == b""
        told = ("content-length", "content-type", "etag", "cache-control", "accept-ranges", "last-modified")
        assert {name: head.headers.get(name) for name in told} == {name: whole.headers.get(name) for name in told}
        assert int(head.headers["content-length"]) == len(whole.content) > 0
        assert http.get(path).content == whole.content


def test_what_the_client_has_is_not_sent_again(http: httpx.Client, paths: dict[str, str]) -> None:
    for path in paths.values():
        first = http.get(path)
        tag = first.headers["etag"]
        assert tag.startswith('"')
        assert first.headers["cache-control"].startswith("private")
        for method in ("GET", "HEAD"):
            for known in (tag, f'"other", W/{tag}', "*"):
                same = http.request(method, path, headers={"If-None-Match": known})
                assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag), path
                assert "content-length" not in same.headers or same.headers["content-length"] == "0"
                assert same.headers["cache-control"] == first.headers["cache-control"]
            assert http.request(method, path, headers={"If-None-Match": '"other"'}).status_code == 200
            assert http.request(method, path, headers={"If-Match": tag}).status_code == 200
            assert http.request(method, path, headers={"If-Match": '"other"'}).status_code == 412
        refused = http.get(path, headers={"If-Match": '"other"'})
        assert refused.headers["content-type"] == "application/problem+json"


def test_times_count_where_a_file_has_one(http: httpx.Client, paths: dict[str, str]) -> None:
    dated = 0
    for path in paths.values():
        modified = http.head(path).headers.get("last-modified")
        if modified is None:
            assert path.startswith("/tiles/")
            later = formatdate(4e9, usegmt=True)
            assert http.get(path, headers={"If-Modified-Since": later}).status_code == 200
            continue
        dated += 1
        earlier = formatdate(parsedate_to_datetime(modified).timestamp() - 5, usegmt=True)
        assert http.get(path, headers={"If-Modified-Since": modified}).status_code == 304
        assert http.get(path, headers={"If-Modified-Since": earlier}).status_code == 200
        assert http.get(path, headers={"If-Unmodified-Since": earlier}).status_code == 412
        assert http.get(path, headers={"If-Unmodified-Since": modified}).status_code == 200
    assert dated == 5


def test_ranges_of_files_are_their_parts(http: httpx.Client, paths: dict[str, str]) -> None:
    ranged = 0
    for template, path in paths.items():
        whole = http.get(path)
        if template.startswith("/tiles/"):
            assert "accept-ranges" not in whole.headers
            assert http.get(path, headers={"Range": "bytes=0-4"}).content == whole.content
            continue
        ranged += 1
        size = len(whole.content)
        for asked, start, end in (("0-4", 0, 5), ("5-", 5, size), ("-7", size - 7, size), (f"3-{size + 9}", 3, size)):
            part = http.get(path, headers={"Range": f"bytes={asked}", "If-Range": whole.headers["etag"]})
            assert (part.status_code, part.content) == (206, whole.content[start:end]), (path, asked)
            assert part.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
        assert http.get(path, headers={"Range": "bytes=0-4", "If-Range": '"other"'}).content == whole.content
        beyond = http.get(path, headers={"Range": f"bytes={size}-"})
        assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{size}")
        assert http.get(path, headers={"Range": "bytes=0-4", "If-None-Match": "*"}).status_code == 304
    assert ranged == 5


def test_every_other_method_is_refused_by_name(http: httpx.Client, paths: dict[str, str]) -> None:
    for path in paths.values():
        answer = http.put(path)
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD"), path


READ = "import sys, rasterio; print(rasterio.open(sys.argv[1]).checksum(1))"


def test_gdal_reads_with_a_key_from_its_environment(
    url: str, parts: Context, paths: dict[str, str], made: tuple[Plan, list[Product]]
) -> None:
    """As QGIS does with a project over HTTP."""
    with writing(parts.sessions) as session:
        _, key = create_key(session, "ana", ["read"])
    add_made_job(parts, *made, job_id="hers", owner="ana")
    command = [sys.executable, "-c", READ, f"/vsicurl/{url}/masks/hers/change_date.tif"]
    quiet = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "no_proxy": "127.0.0.1"}
    assert subprocess.run(command, capture_output=True, check=False, timeout=60, env=quiet).returncode != 0
    with_key = {**quiet, "GDAL_HTTP_USERPWD": f"any:{key}"}
    read = subprocess.run(command, capture_output=True, check=True, timeout=60, env=with_key).stdout
    local = next(product.path for product in made[1] if product.name == "change_date.tif")
    assert read == subprocess.run([*command[:3], str(local)], capture_output=True, check=True).stdout
