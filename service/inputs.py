"""Inputs of an execution as they may come: plain, as qualified values, or by reference.

Source: OGC API - Processes 1.0, 7.11.2.3: inlineOrRefData.yaml, qualifiedInputValue.yaml, link.yaml.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import httpx
from fastapi.concurrency import run_in_threadpool

from service.bodies import body_validation
from service.errors import InputsRefused
from service.executions import MAX_BODY_BYTES
from service.media import essence
from service.processes import SegmentInputs, WrittenInputs
from workers.errors import AddressRefused, AddressUnreachable
from workers.outbound import MAX_URL_CHARACTERS, check_url, open_outbound_async
from workers.references import reference_rules, shown
from workers.settings import Settings

DEADLINE_S = 15.0
"""How long an input may take to come, all in all."""

_JSON = ("application/json", "application/geo+json", "")
_QUALIFIED = {"value", "mediaType", "encoding", "schema", "format"}
_LINK = {"href", "rel", "type", "hreflang", "title"}


async def read_inputs(written: Mapping[str, Any], settings: Settings) -> SegmentInputs:
    """Read the inputs of an execution, and fetch what lies elsewhere: that holds no thread.

    Args:
        written: name -> JSON value, {"value": ...} or {"href": ...}.
        settings: with the sources from which inputs may come.

    Raises:
        InputsRefused: an input is unknown or in another form, or what lies elsewhere cannot be had.
        AddressRefused: an address is not among the sources.
        RequestValidationError: an input is missing or has another value than it may have.
    """
    known = SegmentInputs.model_fields
    if unknown := [name for name in written if name not in known]:  # nothing is fetched for what is refused anyway
        raise InputsRefused(f"#/inputs/{unknown[0][:60]}: no such input; there are: {', '.join(known)}")
    values = {name: await _value(name, it, settings) for name, it in written.items()}
    return await run_in_threadpool(_validated, values)


def _validated(values: Mapping[str, Any]) -> SegmentInputs:
    with body_validation():
        return WrittenInputs.model_validate({"inputs": values}).inputs


async def _value(name: str, written: Any, settings: Settings) -> Any:
    if isinstance(written, dict) and "href" in written:
        _check_keys(name, written, _LINK, "a link")
        return await _fetched(name, written, settings)
    if isinstance(written, dict) and "value" in written and "type" not in written:
        _check_keys(name, written, _QUALIFIED, "a qualified value")
        _check_format(name, {**written, **_mapping(written.get("format"))})
        return written["value"]
    return written


async def _fetched(name: str, link: Mapping[str, Any], settings: Settings) -> Any:
    href = link["href"]
    if not isinstance(href, str) or len(href) > MAX_URL_CHARACTERS:
        raise InputsRefused(f"inputs.{name}.href: expected an address of at most {MAX_URL_CHARACTERS} characters")
    _check_format(name, {"mediaType": link.get("type", "")})
    rules = reference_rules(settings)
    if not rules.sources:
        raise AddressRefused("this service takes no input by reference; send its value")
    check_url(href, rules)
    text = await _fetch(name, href, settings)
    try:
        return await run_in_threadpool(json.loads, text)
    except (ValueError, RecursionError) as err:
        raise InputsRefused(f"inputs.{name}: what lies at {shown(href)} is not JSON") from err


async def _fetch(name: str, href: str, settings: Settings) -> bytes:
    found = bytearray()
    try:
        async with (
            asyncio.timeout(DEADLINE_S),
            open_outbound_async(reference_rules(settings), timeout_s=DEADLINE_S) as client,
            client.stream("GET", href, headers={"Accept": "application/geo+json, application/json"}) as response,
        ):
            if response.status_code != httpx.codes.OK:
                raise InputsRefused(f"inputs.{name}: {shown(href)} answers {response.status_code}; expected 200")
            async for chunk in response.aiter_bytes():
                found += chunk
                if len(found) > MAX_BODY_BYTES:
                    raise InputsRefused(
                        f"inputs.{name}: {shown(href)} has more than {MAX_BODY_BYTES} bytes; simplify it"
                    )
    except TimeoutError as err:
        raise InputsRefused(f"inputs.{name}: {shown(href)} took longer than {DEADLINE_S:g} s; send its value") from err
    except (httpx.HTTPError, AddressUnreachable) as err:
        raise InputsRefused(f"inputs.{name}: {shown(href)} cannot be read: {err or type(err).__name__}") from err
    return bytes(found)


def _check_keys(name: str, written: Mapping[str, Any], known: set[str], what: str) -> None:
    if unknown := sorted(set(written) - known):
        raise InputsRefused(f"inputs.{name}: {what} has {', '.join(sorted(known))}; got {', '.join(unknown)[:100]}")


def _check_format(name: str, told: Mapping[str, Any]) -> None:
    media_type = told.get("mediaType") or ""
    if not isinstance(media_type, str) or essence(media_type) not in _JSON:
        raise InputsRefused(
            f"inputs.{name}: expected application/json or application/geo+json; got {media_type!r:.100}"
        )
    if told.get("encoding") not in (None, "", "utf8", "UTF-8"):
        raise InputsRefused(f"inputs.{name}: expected a JSON value, not encoded; got {told['encoding']!r:.100}")


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
