"""The STAC API: searches against what Python finds in the same items, on SQLite and on Postgres."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import cql2
import httpx
import psycopg
import pytest
from shapely.geometry import Polygon, box, mapping, shape
from sqlalchemy import text

from service.app import create_app
from service.context import Context
from tests.catalogues import FIRST, enter_scenes, made_item
from tests.service.conftest import NO_BROKER, serving
from workers.database import close_database, migrate
from workers.settings import Settings

COUNT = 400
Item = dict[str, Any]
ITEMS: list[Item] = [made_item(number) for number in range(COUNT)]
TRIANGLE = Polygon([(-20, -30), (60, 0), (10, 50)])


@pytest.fixture(params=["sqlite", "postgres"], scope="module")
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Context]]:
    """A catalogue of made scenes, and some of another owner."""
    values: dict[str, Any] = {"data_dir": tmp_path_factory.mktemp("data"), "broker_url": NO_BROKER}
    if request.param == "postgres":
        server = request.getfixturevalue("postgres_server")
        name = f"catalogue_{uuid4().hex[:12]}"
        with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        values["database_url"] = f"{server}/{name}"
    settings = Settings(**values)
    migrate(settings.database)
    app = create_app(settings)
    parts: Context = app.state.context
    enter_scenes(parts.sessions, COUNT)
    enter_scenes(parts.sessions, 20, owner="another", prefix="hers")
    with serving(app) as url:
        yield url, parts
    close_database(parts.sessions)


@pytest.fixture
def client(served: tuple[str, Context]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served[0], timeout=30, trust_env=False) as made:
        yield made


def post(client: httpx.Client, **body: Any) -> dict[str, Any]:
    answer = client.post("/search", json={"limit": 1000, **body})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def ids(found: dict[str, Any]) -> list[str]:
    return [item["id"] for item in found["features"]]


def expected(holds: Callable[[Item], bool]) -> list[str]:
    return [item["id"] for item in reversed(ITEMS) if holds(item)]


def cloud(item: Item) -> float | None:
    value: float | None = item["properties"].get("eo:cloud_cover")
    return value


def acquired(item: Item) -> datetime:
    return datetime.fromisoformat(item["properties"]["datetime"].replace("Z", "+00:00"))


def meets(geometry: Any) -> Callable[[Item], bool]:
    return lambda item: bool(shape(item["geometry"]).intersects(geometry))


ANTIMERIDIAN = box(179, -80, 180, 80).union(box(-180, -80, -179, 80))
SEARCHES: dict[str, tuple[dict[str, Any], Callable[[Item], bool]]] = {
    "all": ({}, lambda _: True),
    "ids": ({"ids": ["made-000007", "made-000300", "hers-000001"]}, lambda i: i["id"][-3:] in {"007", "300"}),
    "collections": ({"collections": ["scenes", "masks"]}, lambda _: True),
    "no collection": ({"collections": ["nothing"]}, lambda _: False),
    "bbox": ({"bbox": [0, 0, 60, 40]}, meets(box(0, 0, 60, 40))),
    "bbox with heights": ({"bbox": [0, 0, -5, 60, 40, 9000]}, meets(box(0, 0, 60, 40))),
    "bbox over the antimeridian": ({"bbox": [179, -80, -179, 80]}, meets(ANTIMERIDIAN)),
    "bbox east of the antimeridian": ({"bbox": [-180, -80, -179.9, 80]}, meets(box(-180, -80, -179.9, 80))),
    "intersects": ({"intersects": mapping(TRIANGLE)}, meets(TRIANGLE)),
    "intersects with both sides": ({"intersects": mapping(ANTIMERIDIAN)}, meets(ANTIMERIDIAN)),
    "instant": ({"datetime": "2020-01-01T12:05:00Z"}, lambda i: acquired(i) == FIRST + timedelta(minutes=5)),
    "open start": ({"datetime": "../2020-01-01T14:00:00+01:00"}, lambda i: acquired(i) <= FIRST + timedelta(hours=1)),
    "open end": ({"datetime": "2020-01-01T13:00:00Z/"}, lambda i: acquired(i) >= FIRST + timedelta(hours=1)),
}
FILTERS: dict[str, Callable[[Item], bool]] = {
    "eo:cloud_cover < 10 AND platform = '0003'": lambda i: (
        (cloud(i) if cloud(i) is not None else 99.0) < 10  # type: ignore[operator]
        and i["properties"]["platform"] == "0003"
    ),
    "NOT eo:cloud_cover < 50": lambda i: cloud(i) is not None and not cloud(i) < 50,  # type: ignore[operator]
    "eo:cloud_cover IS NULL OR 90 <= eo:cloud_cover": lambda i: cloud(i) is None or cloud(i) >= 90,  # type: ignore[operator]
    "eo:cloud_cover BETWEEN 20 AND 30": lambda i: cloud(i) is not None and 20 <= cloud(i) <= 30,  # type: ignore[operator]
    "platform IN ('0001', '0004')": lambda i: i["properties"]["platform"] in {"0001", "0004"},
    "id LIKE 'made-0001_5'": lambda i: i["id"].startswith("made-0001") and i["id"].endswith("5"),
    "id LIKE 'MADE%'": lambda _: False,
    "id LIKE '%*%'": lambda _: False,
    "proj:code = 'EPSG:32631'": lambda i: i["properties"]["proj:code"] == "EPSG:32631",
    "proj:code LIKE 'EPSG:326%'": lambda i: i["properties"]["proj:code"].startswith("EPSG:326"),
    "proj:code > 5": lambda _: False,
    "mission IS NULL": lambda _: True,
    "datetime > TIMESTAMP('2020-01-01T17:00:00Z')": lambda i: acquired(i) > FIRST + timedelta(hours=5),
    "T_DURING(datetime, INTERVAL('2020-01-01T12:01:00Z', '2020-01-01T12:04:00Z'))": lambda i: (
        FIRST + timedelta(minutes=1) < acquired(i) < FIRST + timedelta(minutes=4)
    ),
    "T_INTERSECTS(datetime, INTERVAL('..', '2020-01-01T12:04:00Z'))": lambda i: (
        acquired(i) <= FIRST + timedelta(minutes=4)
    ),
    "S_INTERSECTS(geometry, POLYGON((-20 -30, 60 0, 10 50, -20 -30)))": meets(TRIANGLE),
    "S_INTERSECTS(geometry, BBOX(0, 0, 60, 40)) OR eo:cloud_cover IS NULL": lambda i: (
        meets(box(0, 0, 60, 40))(i) or cloud(i) is None
    ),
    "NOT (S_INTERSECTS(geometry, BBOX(-180, -80, 60, 80)) OR eo:cloud_cover > 20)": lambda i: (
        not meets(box(-180, -80, 60, 80))(i) and cloud(i) is not None and not cloud(i) > 20  # type: ignore[operator]
    ),
}


@pytest.mark.parametrize("name", SEARCHES)
def test_searches_find_what_is_there(client: httpx.Client, name: str) -> None:
    body, holds = SEARCHES[name]
    found = post(client, **body)
    assert ids(found) == expected(holds)
    assert found["numberReturned"] == len(found["features"])
    assert found.get("numberMatched", len(found["features"])) == len(found["features"])


@pytest.mark.parametrize("text", FILTERS)
def test_filters_find_what_is_there(client: httpx.Client, text: str) -> None:
    wanted = expected(FILTERS[text])
    assert ids(post(client, filter=cql2.parse_text(text).to_json())) == wanted
    found = client.get("/collections/scenes/items", params={"filter": text, "filter-lang": "cql2-text", "limit": 1000})
    assert ids(found.json()) == wanted


ORDERS: dict[str, Callable[[Item], Any]] = {
    "+id": lambda i: i["id"],
    "-eo:cloud_cover,+datetime": lambda i: (cloud(i) is None, -(cloud(i) or 0), acquired(i)),
    "+eo:cloud_cover": lambda i: (cloud(i) is None, cloud(i) or 0, i["id"]),
    "-properties.platform,-id": lambda i: (-int(i["properties"]["platform"], 16), -int(i["id"][-6:])),
}


@pytest.mark.parametrize("order", ORDERS)
def test_pages_in_any_order_hold_every_item_once(client: httpx.Client, order: str) -> None:
    answer = client.get("/search", params={"limit": 37, "sortby": order})
    seen = ids(answer.json())
    while following := [link["href"] for link in answer.json()["links"] if link["rel"] == "next"]:
        answer = client.get(following[0])
        seen += ids(answer.json())
    assert seen == [item["id"] for item in sorted(ITEMS, key=ORDERS[order])]


def test_pages_hold_while_items_are_added(served: tuple[str, Context], client: httpx.Client) -> None:
    first = post(client, limit=150)
    enter_scenes(served[1].sessions, 30, prefix=f"new-{served[1].sessions.kw['bind'].dialect.name}")
    step = next(link for link in first["links"] if link["rel"] == "next")
    assert step["method"] == "POST"
    rest = post(client, **{**step["body"], "limit": 1000})
    added = {one for one in ids(rest) if one.startswith("new-")}
    assert [one for one in [*ids(first), *ids(rest)] if one not in added] == expected(lambda _: True)
    for one in [*added, *[i for i in ids(post(client)) if i.startswith("new-")]]:
        client.delete(f"/scenes/{one}")
    assert ids(post(client)) == expected(lambda _: True)


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=many", "bbox=1,2,3", "bbox=0,50,10,40", "bbox=0,0,400,1", "datetime=2020-08-01", "colour=red",
        "datetime=../..", "intersects={}", "sortby=colour", "filter=eo:cloud_cover%20%3C%20'low'", "token=nonsense",
        "filter=casei(id)%20=%20casei('A')", "filter=id%20=%20platform", "filter=(((", "filter-crs=EPSG:3857",
        "bbox=0,0,1,1&intersects={%22type%22:%22Point%22,%22coordinates%22:[0,0]}", "filter=geometry%20=%20'x'",
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused(client: httpx.Client, query: str) -> None:
    answer = client.get(f"/search?{query}")
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]


def test_another_owners_items_are_not_there(client: httpx.Client) -> None:
    assert client.get("/collections/scenes/items/hers-000001").status_code == 404
    assert client.get("/scenes/hers-000001").status_code == 404
    assert ids(post(client, ids=["hers-000001"])) == []
    assert ids(post(client, filter={"op": "=", "args": [{"property": "id"}, "hers-000001"]})) == []
    item = shape(made_item(1)["geometry"]).bounds
    assert all(one.startswith("made") for one in ids(post(client, bbox=list(item))))


def test_fields(client: httpx.Client) -> None:
    def shown(fields: dict[str, Any]) -> dict[str, Any]:
        item: dict[str, Any] = post(client, ids=["made-000007"], fields=fields)["features"][0]
        return item

    whole = shown({})
    assert shown({"include": ["properties.gsd", "bbox"]}) == {
        **{name: whole[name] for name in ("type", "id", "collection", "bbox")},
        "properties": {"gsd": 10.0},
    }
    assert set(whole) - set(shown({"exclude": ["assets", "links"]})) == {"assets", "links"}
    assert "gsd" not in shown({"exclude": ["properties.gsd"]})["properties"]


def test_collections_and_queryables(client: httpx.Client) -> None:
    scenes, masks = client.get("/collections").json()["collections"]
    assert (scenes["id"], masks["id"]) == ("scenes", "masks")
    assert scenes["extent"]["temporal"]["interval"] == [["2020-01-01T12:00:00Z", "2020-01-01T18:39:00Z"]]
    assert masks["extent"]["temporal"]["interval"] == [[None, None]]
    named = client.get("/collections/scenes/queryables")
    assert named.headers["content-type"] == "application/schema+json"
    assert {"eo:cloud_cover", "datetime", "geometry"} <= set(named.json()["properties"])
    assert "eo:cloud_cover" not in client.get("/collections/masks/queryables").json()["properties"]
    assert client.get("/collections/other").status_code == client.get("/collections/other/items").status_code == 404


def test_a_deleted_scene_leaves_the_index(parts: Context, http: httpx.Client) -> None:
    enter_scenes(parts.sessions, 60)
    crossing = made_item(50)
    assert crossing["bbox"][0] > crossing["bbox"][2]
    assert http.delete(f"/scenes/{crossing['id']}").status_code == 204
    with parts.sessions() as session:
        assert session.scalar(text("SELECT count(*) FROM items")) == 59
        assert session.scalar(text("SELECT count(*) FROM items_boxes")) == 59
