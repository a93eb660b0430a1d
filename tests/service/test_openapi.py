from __future__ import annotations

from typing import Any

import httpx
from openapi_spec_validator import OpenAPIV30SpecValidator

from service.openapi import as_openapi_30


def test_the_definition_at_api_is_openapi_30(http: httpx.Client) -> None:
    [described] = [link for link in http.get("/").json()["links"] if link["rel"] == "service-desc"]
    answer = http.get(described["href"])
    assert answer.headers["content-type"] == described["type"] == "application/vnd.oai.openapi+json;version=3.0"
    assert answer.json()["openapi"].startswith("3.0.")
    assert set(answer.json()["paths"]) == set(http.get("/openapi.json").json()["paths"])
    OpenAPIV30SpecValidator(answer.json()).validate()


def test_schemas_say_the_same_in_the_older_way() -> None:
    schema: dict[str, Any] = {
        "type": "object",
        "$defs": {"Color": {"const": "red"}},
        "properties": {
            "a": {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "null"}], "examples": [1, 2]},
            "b": {"type": ["string", "integer", "null"]},
            "examples": {"$ref": "#/$defs/Color"},
        },
    }
    document = {"info": {"license": {"name": "x", "identifier": "x"}}, "components": {"schemas": {"Thing": schema}}}
    found = as_openapi_30(document)["components"]["schemas"]
    assert found["Color"] == {"enum": ["red"]}
    assert found["Thing"]["properties"] == {
        "a": {"type": "number", "minimum": 0, "exclusiveMinimum": True, "nullable": True, "example": 1},
        "b": {"nullable": True, "anyOf": [{"type": "string"}, {"type": "integer"}]},
        "examples": {"$ref": "#/components/schemas/Color"},
    }
