"""Errors as RFC 9457 problem documents, from one table of exception types."""

from __future__ import annotations

import errno
import http
import uuid
from collections.abc import Mapping
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from geo.errors import AreaRefused, RasterUnreadable, SceneRejected, TileUnknown
from models.errors import ModelUnknown
from service import errors, tus
from service.headers import ON_DATA
from workers.errors import (
    AddressRefused,
    IdempotencyKeyReused,
    JobRefused,
    JobsAtOnce,
    JobUnknown,
    KeyInvalid,
    KeyUnknown,
    NotStored,
    OwnerRefused,
    SceneUnknown,
    StorageExceeded,
    StoreUnavailable,
    UploadExpired,
    UploadUnknown,
)

MEDIA_TYPE = "application/problem+json"
METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
OGC = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/"
OWN = "urn:chronoseg:problem:"

DOCUMENTED: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "A problem document (RFC 9457): what was expected, what came, what to do.",
        "content": {
            MEDIA_TYPE: {
                "schema": {
                    "type": "object",
                    "required": ["type", "title", "status", "detail", "instance"],
                    "properties": {
                        "type": {"type": "string", "format": "uri-reference"},
                        "title": {"type": "string"},
                        "status": {"type": "integer", "minimum": 400, "maximum": 599},
                        "detail": {"type": "string"},
                        "instance": {"type": "string"},
                    },
                }
            }
        },
    }
}
"""What the OpenAPI document says of every answer that a route does not name."""

Kind = tuple[int, str, str]
"""Status, type URI, title."""

TABLE: Mapping[type[Exception], Kind] = {
    errors.BodyMalformed: (400, OWN + "body-malformed", "The request cannot be parsed"),
    errors.SearchRefused: (400, OWN + "search-refused", "The search cannot be understood"),
    errors.CollectionUnknown: (404, OWN + "collection-unknown", "No such collection"),
    errors.ItemUnknown: (404, OWN + "item-unknown", "No such item"),
    errors.InputsRefused: (422, OWN + "inputs-refused", "The inputs cannot be used"),
    errors.PageUnknown: (404, OWN + "page-unknown", "No such page"),
    errors.MediaTypeRefused: (415, OWN + "media-type", "Media type not supported"),
    errors.BodyTooLarge: (413, OWN + "body-too-large", "The body is too large"),
    errors.BodyStalled: (408, OWN + "body-stalled", "The body stopped coming"),
    errors.TusVersionRefused: (412, OWN + "tus-version", "This version of tus is not spoken here"),
    errors.OffsetWrong: (409, OWN + "offset-wrong", "The upload goes on elsewhere"),
    errors.ChecksumWrong: (460, OWN + "checksum-wrong", "The checksum does not match"),
    errors.UploadLocked: (423, OWN + "upload-locked", "The upload is being written to"),
    errors.CredentialsMissing: (401, OWN + "key-missing", "A key is needed"),
    errors.TokenInvalid: (401, OWN + "token-invalid", "The token is not taken"),
    errors.IssuerUnavailable: (503, OWN + "issuer-unavailable", "The issuer of tokens cannot be reached"),
    errors.ScopeMissing: (403, OWN + "scope-missing", "The key does not allow this"),
    errors.RateExceeded: (429, OWN + "rate-exceeded", "Too many requests"),
    errors.OriginRefused: (403, OWN + "origin-refused", "Not from there"),
    errors.ProcessUnknown: (404, OGC + "no-such-process", "No such process"),
    errors.AssetUnknown: (404, OWN + "asset-unknown", "No such asset"),
    errors.ProductUnknown: (404, OWN + "product-unknown", "No such product"),
    errors.LayerUnknown: (404, OWN + "layer-unknown", "No such layer"),
    errors.SceneNotReady: (409, OWN + "scene-not-ready", "The scene is not ready"),
    errors.SceneInUse: (409, OWN + "scene-in-use", "The scene is in use"),
    errors.ResultNotReady: (404, OGC + "result-not-ready", "The job's results are not ready"),
    errors.ResultFailed: (422, OWN + "job-failed", "The job failed"),
    errors.ResultGone: (410, OWN + "job-dismissed", "The job was dismissed"),
    KeyUnknown: (404, OWN + "key-unknown", "No such key"),
    OwnerRefused: (422, OWN + "owner-refused", "No key for that"),
    KeyInvalid: (401, OWN + "key-invalid", "The key is not taken"),
    AddressRefused: (422, OWN + "address-refused", "Nothing is asked there"),
    UploadUnknown: (404, OWN + "upload-unknown", "No such upload"),
    UploadExpired: (410, OWN + "upload-expired", "The upload has expired"),
    SceneUnknown: (404, OWN + "scene-unknown", "No such scene"),
    SceneRejected: (422, OWN + "scene-rejected", "The scene cannot be used"),
    JobUnknown: (404, OGC + "no-such-job", "No such job"),
    JobsAtOnce: (429, OWN + "jobs-at-once", "Too many jobs at once"),
    StorageExceeded: (403, OWN + "storage-exceeded", "Your storage is full"),
    IdempotencyKeyReused: (422, OWN + "idempotency-key-reused", "The Idempotency-Key stands for another request"),
    JobRefused: (422, OWN + "job-refused", "The job cannot be planned"),
    ModelUnknown: (404, OWN + "model-unknown", "No such model"),
    AreaRefused: (422, OWN + "area-refused", "The area of interest cannot be used"),
    TileUnknown: (404, OWN + "tile-unknown", "No such tile"),
    RasterUnreadable: (503, OWN + "raster-unreadable", "The raster cannot be read"),
    NotStored: (404, OWN + "not-stored", "Nothing is stored there"),
    StoreUnavailable: (503, OWN + "store-unavailable", "The store cannot be reached"),
    ClientDisconnect: (400, OWN + "body-malformed", "The request ended before its body did"),
}
"""A subclass counts as its nearest listed ancestor."""

_HEADERS: Mapping[int, dict[str, str]] = {
    http.HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": "5"},
    http.HTTPStatus.TOO_MANY_REQUESTS: {"Retry-After": "30"},
    http.HTTPStatus.PRECONDITION_FAILED: {"Tus-Version": tus.VERSION},
    http.HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": 'Bearer realm="chronoseg", Basic realm="chronoseg"'},
}
"""What goes with every problem of a status."""

_log = structlog.get_logger()


def problem(
    request: Request, kind: Kind, detail: str, headers: Mapping[str, str] | None = None, **more: Any
) -> Response:
    """Return a problem document as a response."""
    status, type_, title = kind
    body = {"type": type_, "title": title, "status": status, "detail": detail, "instance": request.url.path, **more}
    return JSONResponse(body, status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def precondition_failed(request: Request) -> Response:
    """Return the answer to a request for what is not as the client expects."""
    return problem(request, (412, "about:blank", "Precondition Failed"), "the file is another than you expect")


def install(app: FastAPI) -> None:
    """Make every error of the app a problem document."""
    for kind in TABLE:
        app.add_exception_handler(kind, _expected)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(OperationalError, _database)
    app.add_exception_handler(OSError, _system)
    app.add_exception_handler(Exception, _unknown)


def _expected(request: Request, err: Exception) -> Response:
    kind = next(TABLE[kind] for kind in type(err).__mro__ if kind in TABLE)
    headers = _HEADERS.get(kind[0])
    if isinstance(err, errors.RateExceeded):
        headers = {"Retry-After": str(err.retry_after_s)}
    elif isinstance(err, errors.TokenInvalid):
        headers = {"WWW-Authenticate": 'Bearer realm="chronoseg", error="invalid_token", Basic realm="chronoseg"'}
    elif isinstance(err, errors.IssuerUnavailable):
        headers = {"Retry-After": "30"}
    more = (
        {"used_bytes": err.used, "allowed_bytes": err.allowed}
        if isinstance(err, StorageExceeded) and err.allowed
        else {}
    )
    return problem(request, kind, str(err) or kind[2], headers, **more)


def _invalid(request: Request, err: Exception) -> Response:
    found = err.errors() if isinstance(err, RequestValidationError) else []
    if any(e["type"] == "json_invalid" for e in found):
        return problem(request, TABLE[errors.BodyMalformed], "the body is not JSON")
    wrong = [{"pointer": _pointer(e["loc"]), "detail": e["msg"]} for e in found]
    detail = "; ".join(f"{w['pointer']}: {w['detail']}" for w in wrong[:5])
    return problem(request, TABLE[errors.InputsRefused], detail, errors=wrong[:50])


def _pointer(loc: tuple[Any, ...]) -> str:
    place, *steps = [str(step) for step in loc] or ["request"]
    return "#/" + "/".join(steps) if place == "body" else "/".join([place, *steps])


def _http(request: Request, err: Exception) -> Response:
    status, detail, headers = 500, "", None
    if isinstance(err, HTTPException):
        status, detail, headers = err.status_code, err.detail, err.headers
    if status == http.HTTPStatus.METHOD_NOT_ALLOWED:
        headers = {**(headers or {}), "Allow": ", ".join(_methods(request))}
    title = http.HTTPStatus(status).phrase
    return problem(request, (status, "about:blank", title), detail or title, headers)


def _methods(request: Request) -> list[str]:
    """Return what the address supports: Starlette names the methods of the first route there alone."""
    asked = [{**request.scope, "method": method} for method in METHODS]
    routes = request.app.router.routes
    return [str(scope["method"]) for scope in asked if any(r.matches(scope)[0] == Match.FULL for r in routes)]


def _database(request: Request, err: Exception) -> Response:
    kind = (503, OWN + "database-unavailable", "The database cannot be reached")
    request_id = _logged(request, err)
    return problem(request, kind, "try again in a moment", {"Retry-After": "5"}, request_id=request_id)


def _system(request: Request, err: Exception) -> Response:
    if isinstance(err, OSError) and err.errno in {errno.ENOSPC, errno.EDQUOT}:
        request_id = _logged(request, err)
        kind = (507, OWN + "disk-full", "No space left")
        return problem(request, kind, "the server's disk is full", request_id=request_id)
    return _unknown(request, err)


def _unknown(request: Request, err: Exception) -> Response:
    kind = (500, "about:blank", "Internal Server Error")
    detail = "something went wrong here; the log knows more under this request id"
    return problem(request, kind, detail, ON_DATA, request_id=_logged(request, err))  # outside of all middleware


def _logged(request: Request, err: Exception) -> str:
    request_id = uuid.uuid4().hex
    _log.error("request failed", request_id=request_id, method=request.method, path=request.url.path, exc_info=err)
    return request_id
