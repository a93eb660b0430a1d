"""What the OpenAPI document says of the calls that jobs make to their subscribers."""

from __future__ import annotations

from typing import Any

_HEADERS = {
    "webhook-id": "Names the message; the same at every attempt to deliver it.",
    "webhook-timestamp": "Epoch seconds of this attempt.",
    "webhook-signature": "v1,BASE64: HMAC-SHA256 of ID.TIMESTAMP.BODY under the owner's secret (Standard Webhooks).",
}


def _call(summary: str) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "header", "required": True, "description": told, "schema": {"type": "string"}}
        for name, told in _HEADERS.items()
    ]
    return {
        "post": {
            "summary": summary,
            "parameters": parameters,
            "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}},
            "responses": {
                "2XX": {"description": "The receiver has it"},
                "410": {"description": "The receiver wants nothing more"},
                "default": {"description": "It is sent again, for a day"},
            },
        }
    }


CALLBACKS = {
    "jobSuccess": {"{$request.body#/subscriber/successUri}": _call("The results of the job, by reference")},
    "jobFailed": {"{$request.body#/subscriber/failedUri}": _call("The status of a job that failed or was dismissed")},
    "jobInProgress": {"{$request.body#/subscriber/inProgressUri}": _call("The status of the job as it goes on")},
}
