from __future__ import annotations

import hashlib
import re

import httpx
import pystac
import pytest
from pystac.extensions.mlm import MLMExtension

from models.registry import list_models

NAMES = [card.id for card, _ in list_models()]


@pytest.mark.parametrize("name", NAMES)
def test_every_model_is_an_item_that_clients_can_read(url: str, name: str) -> None:
    answer = httpx.get(f"{url}/models/{name}/item.json")
    assert answer.headers["content-type"] == "application/geo+json"
    item = pystac.Item.from_dict(answer.json())
    card = httpx.get(f"{url}/models/{name}").json()
    model = MLMExtension.ext(item)
    assert model.mlm_name == card["name"]
    assert model.architecture == card["family"]
    (read,), (written,) = model.input, model.output
    assert list(read.bands) == card["bands"]
    assert len(read.input.shape) == len(read.input.dim_order)
    assert read.input.shape[read.input.dim_order.index("bands")] == len(card["bands"])
    assert [scaling["mean"] for scaling in read.properties["value_scaling"]] == card["mean"]
    assert written.result.shape[written.result.dim_order.index("class")] == len(card["classes"])
    assert [c.title for c in written.classes or []] == [c["name"] for c in card["classes"]]
    assert all(re.fullmatch(r"[0-9A-Za-z_-]+", c.name) for c in written.classes or [])
    assert [band["name"] for band in answer.json()["assets"]["weights"]["bands"]] == card["bands"]


def test_the_item_is_a_stac_item(url: str) -> None:
    item = pystac.Item.from_dict(httpx.get(f"{url}/models/burned-area/item.json").json())
    item.stac_extensions = []  # their schemas lie elsewhere; the core's come with pystac
    item.validate()


def test_the_weights_are_those_of_the_card(url: str) -> None:
    asset = httpx.get(f"{url}/models/burned-area/item.json").json()["assets"]["weights"]
    whole = httpx.get(asset["href"])
    assert len(whole.content) == asset["file:size"]
    assert asset["file:checksum"] == "1220" + hashlib.sha256(whole.content).hexdigest()
    part = httpx.get(asset["href"], headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    same = httpx.get(asset["href"], headers={"If-None-Match": whole.headers["ETag"]})
    assert (same.status_code, same.content) == (304, b"")
    head = httpx.head(asset["href"])
    assert int(head.headers["Content-Length"]) == asset["file:size"]


def test_an_unknown_model_has_no_item(url: str) -> None:
    assert httpx.get(f"{url}/models/none/item.json").status_code == 404
    assert httpx.get(f"{url}/models/none/weights.safetensors").status_code == 404
