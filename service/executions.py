"""What is asked for in a request to execute a process: its body, and the client's key for sending it twice."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Annotated, Any, get_args

from fastapi import Header, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from service.bodies import body_validation, media_type_of, small_body
from service.errors import BodyMalformed, MediaTypeRefused
from service.outputs import OUTPUTS, OutputAsked
from service.processes import SegmentInputs
from workers.idempotency import Once
from workers.outbound import MAX_URL_CHARACTERS
from workers.results import Form, Transmission
from workers.subscribers import Event

MAX_BODY_BYTES = 16_000_000
_KEY = r"[!-~](?:[ -~]{0,253}[!-~])?"

IdempotencyKey = Annotated[
    str | None,
    Header(
        description="Names this execution among the owner's: sent again within 24 hours, with the same bytes, it gives "
        "the same job. 1 to 255 printable ASCII characters."
    ),
    WithJsonSchema({"type": "string", "pattern": f"^{_KEY}$"}),
]


def request_schema() -> dict[str, Any]:
    """Return the JSON Schema of an execution's body: each input plain, with its format, or where it lies."""
    inputs = SegmentInputs.model_json_schema()
    link = {"type": "object", "required": ["href"], "properties": {"href": {"type": "string", "format": "uri"}}}
    properties = {
        name: {
            "description": schema.get("description", ""),
            "anyOf": [schema, {"type": "object", "required": ["value"], "properties": {"value": schema}}, link],
        }
        for name, schema in inputs["properties"].items()
    }
    output = {
        "type": "object",
        "properties": {
            "transmissionMode": {"type": "string", "enum": list(get_args(Transmission))},
            "format": {"type": "object", "properties": {"mediaType": {"type": "string"}}},
        },
    }
    return {
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "inputs": {**inputs, "properties": properties},
            "outputs": {"type": "object", "properties": dict.fromkeys(OUTPUTS, output), "additionalProperties": False},
            "response": {"type": "string", "enum": list(get_args(Form))},
            "subscriber": SubscriberUris.model_json_schema(),
        },
    }


class SubscriberUris(BaseModel):
    """Whom the job is to call back, as OGC API - Processes names it."""

    model_config = ConfigDict(extra="forbid")

    successUri: Annotated[str, Field(max_length=MAX_URL_CHARACTERS, description="Is sent the results.")]  # noqa: N815
    failedUri: Annotated[  # noqa: N815
        str | None, Field(max_length=MAX_URL_CHARACTERS, description="Is sent the status of a job that went wrong.")
    ] = None
    inProgressUri: Annotated[  # noqa: N815
        str | None, Field(max_length=MAX_URL_CHARACTERS, description="Is sent the status as the job goes on.")
    ] = None

    def by_event(self) -> dict[Event, str]:
        """Return the addresses that were given."""
        given = {
            Event.SUCCESS: self.successUri,
            Event.FAILED: self.failedUri,
            Event.IN_PROGRESS: self.inProgressUri,
        }
        return {event: uri for event, uri in given.items() if uri is not None}


class Execution(BaseModel):
    """Body of an execution request."""

    model_config = ConfigDict(extra="ignore")

    inputs: dict[str, Any]
    outputs: Annotated[dict[str, OutputAsked] | None, Field(max_length=100)] = None
    response: Form | None = None
    subscriber: SubscriberUris | None = None


@dataclass(frozen=True)
class Asked:
    """A request to execute.

    Attributes:
        body: what it asks for.
        once: tells a repetition from another request; None where the client gave no key.
    """

    body: Execution
    once: Once | None


async def asked(request: Request, idempotency_key: IdempotencyKey = None) -> Asked:
    """Read an execution request; streaming, so that what is too large is never held.

    Raises:
        MediaTypeRefused: its body is not JSON.
        BodyTooLarge: there is too much of it.
        BodyMalformed: its Idempotency-Key is no key.
        RequestValidationError: it does not fit the schema.
    """
    key = None if idempotency_key is None else read_key(idempotency_key)
    media_type = media_type_of(request)
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise MediaTypeRefused(f"expected Content-Type: application/json; got {media_type[:100] or 'none'!r}")
    body = await small_body(request, MAX_BODY_BYTES, "an execution request", "simplify the area")
    return await run_in_threadpool(_parsed, body, key)


def read_key(text: str) -> str:
    """Read the header Idempotency-Key, a string with its quotes or without.

    Raises:
        BodyMalformed: it is empty, too long, or has characters that cannot be printed.
    """
    key = text[1:-1] if len(text) > 2 and text[0] == text[-1] == '"' else text
    if not re.fullmatch(_KEY, key):
        raise BodyMalformed(
            f"expected an Idempotency-Key of 1 to 255 printable ASCII characters; got {len(key)}: {key[:40]!r}"
        )
    return key


def _parsed(body: bytes, key: str | None) -> Asked:
    with body_validation():
        execution = Execution.model_validate_json(body)
    return Asked(execution, None if key is None else Once(key, hashlib.sha256(body).hexdigest()))
