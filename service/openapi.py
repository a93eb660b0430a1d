"""OpenAPI 3.1 as 3.0, whose schemas are not JSON Schema in some places."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_UNKNOWN = ("$schema", "$id", "const", "examples", "contentMediaType", "contentEncoding", "propertyNames", "$defs")


def as_openapi_30(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a definition in version 3.0.

    Null becomes `nullable`, lists of types a choice, constants an `enum` of one, exclusive bounds a flag, and the first
    of several examples the example; local definitions move to the components.

    Source: OpenAPI 3.0.3, "Schema Object".
    """
    components: dict[str, Any] = {}
    found: dict[str, Any] = _converted(document, components, in_schema=False)
    found["openapi"] = "3.0.3"
    found["info"]["license"] = {"name": found["info"]["license"]["name"]}
    found.setdefault("components", {}).setdefault("schemas", {}).update(components)
    return found


def _converted(value: Any, moved: dict[str, Any], *, in_schema: bool) -> Any:
    if isinstance(value, list):
        return [_converted(part, moved, in_schema=in_schema) for part in value]
    if not isinstance(value, dict):
        return value
    if in_schema:
        return _schema(value, moved)
    return {
        name: _named(part, moved) if name == "schemas" else _converted(part, moved, in_schema=name == "schema")
        for name, part in value.items()
    }


def _named(schemas: dict[str, Any], moved: dict[str, Any]) -> dict[str, Any]:
    return {name: _schema(schema, moved) for name, schema in schemas.items()}


def _schema(schema: Any, moved: dict[str, Any]) -> Any:
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return {"$ref": schema["$ref"].replace("#/$defs/", "#/components/schemas/")}
    moved.update(_named(schema.get("$defs", {}), moved))
    found = {name: part for name, part in schema.items() if name not in _UNKNOWN}
    for name, part in found.items():
        if name in {"properties", "patternProperties"}:
            found[name] = _named(part, moved)
        elif name in {"items", "additionalProperties", "not"}:
            found[name] = _schema(part, moved)
        elif name in {"allOf", "anyOf", "oneOf"}:
            found[name] = [_schema(one, moved) for one in part]
    if "const" in schema:
        found["enum"] = [schema["const"]]
    if schema.get("examples"):
        found.setdefault("example", schema["examples"][0])
    if schema.get("contentMediaType") and found.get("type") == "string":
        found["format"] = "binary"
    for bound in ("Minimum", "Maximum"):
        limit = found.get(f"exclusive{bound}")
        if limit is not None and not isinstance(limit, bool):
            found[bound.lower()], found[f"exclusive{bound}"] = limit, True
    return _without_null(found)


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    types = schema.get("type")
    if isinstance(types, list):
        rest = [one for one in types if one != "null"]
        schema = {**schema, "nullable": "null" in types}
        schema.pop("type")
        schema |= {"type": rest[0]} if len(rest) == 1 else {"anyOf": [{"type": one} for one in rest]}
    choices = schema.get("anyOf", [])
    if {"type": "null"} in choices:
        rest = [one for one in choices if one != {"type": "null"}]
        outer = {name: part for name, part in schema.items() if name != "anyOf"}
        return {**outer, "nullable": True, **(rest[0] if len(rest) == 1 and "$ref" not in rest[0] else {"anyOf": rest})}
    return schema
