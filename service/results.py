"""The results of a job in the form that was asked for with its execution (OGC API - Processes 1.0, 7.11 and 7.13)."""

from __future__ import annotations

import base64
import codecs
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial

from fastapi import Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from service.context import Context
from service.files import stored_product
from service.links import base_of
from service.media import essence
from service.multipart import Multipart, Part
from workers.records import JobRecord, ProductRecord
from workers.results import Picked, Wanted, reference_to, results_document
from workers.store import Store


def results_response(request: Request, here: Context, job: JobRecord, products: Sequence[ProductRecord]) -> Response:
    """Answer a GET or HEAD for the results of a job that has ended well.

    Raises:
        NotStored: a product that is to come by value is gone; known before anything is sent.
    """
    wanted = Wanted.from_json(job.wanted)
    picked = wanted.pick(products)
    if not picked:
        return Response(status_code=204)
    for one in picked:
        if one.by_value:
            here.store.stat(one.product.key)
    if wanted.form == "document":
        return _document(request, here.store, picked)
    return _raw(request, here.store, picked)


def _document(request: Request, store: Store, picked: Sequence[Picked]) -> Response:
    base = base_of(request)
    if not any(one.by_value for one in picked):
        return JSONResponse(results_document([one.product for one in picked], base))
    if request.method == "HEAD":
        return Response(media_type="application/json")
    return StreamingResponse(_document_chunks(store, picked, base), media_type="application/json")


def _raw(request: Request, store: Store, picked: Sequence[Picked]) -> Response:
    base = base_of(request)
    if not any(one.by_value for one in picked):
        told = [_link_header(reference_to(one.product, base)) for one in picked]
        return Response(status_code=204, headers={"Link": ", ".join(told)})
    if len(picked) == 1:
        return stored_product(request, store, picked[0].product)
    whole = Multipart([_part(store, one, base) for one in picked])
    headers = {"Content-Length": str(whole.size())}
    if request.method == "HEAD":
        return Response(headers=headers, media_type=whole.media_type)
    return StreamingResponse(whole.chunks(), headers=headers, media_type=whole.media_type)


def _part(store: Store, picked: Picked, base: str) -> Part:
    """Make a part of the product itself, or an empty one that says where it lies."""
    product = picked.product
    headers = {"Content-Type": product.media_type, "Content-ID": f"<{product.name}>"}
    if not picked.by_value:
        return Part({**headers, "Content-Location": reference_to(product, base)["href"]}, 0, tuple)
    binary = {**headers, "Content-Transfer-Encoding": "binary"}
    return Part(binary, product.size, partial(store.read, product.key))


def _document_chunks(store: Store, picked: Iterable[Picked], base: str) -> Iterator[bytes]:
    """Yield the document, whose values may be larger than memory."""
    before = b"{"
    for one in picked:
        yield before + json.dumps(one.product.name).encode() + b": "
        if one.by_value:
            yield from _qualified(store, one.product)
        else:
            yield json.dumps(reference_to(one.product, base)).encode()
        before = b", "
    yield b"}"


def _qualified(store: Store, product: ProductRecord) -> Iterator[bytes]:
    """Yield a value with its media type: JSON as it is, text as a string, all else in base64."""
    chunks, kind = store.read(product.key), essence(product.media_type)
    yield b'{"mediaType": ' + json.dumps(product.media_type).encode()
    if kind.endswith(("/json", "+json")):
        yield b', "value": '
        yield from chunks
        yield b"}"
    elif kind.startswith("text/"):
        yield b', "value": "'
        decode = codecs.getincrementaldecoder("utf-8")()
        for chunk in chunks:
            yield json.dumps(decode.decode(chunk))[1:-1].encode()
        yield json.dumps(decode.decode(b"", final=True))[1:].encode() + b"}"
    else:
        yield b', "encoding": "base64", "value": "'
        yield from _base64(chunks)
        yield b'"}'


def _base64(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        rest += chunk
        if whole := len(rest) // 3 * 3:
            yield base64.b64encode(rest[:whole])
            rest = rest[whole:]
    yield base64.b64encode(rest)


def _link_header(link: Mapping[str, str]) -> str:
    """Write a link as RFC 8288 has it."""
    return f'<{link["href"]}>; rel="item"; type="{_quoted(link["type"])}"; title="{_quoted(link["title"])}"'


def _quoted(text: str) -> str:
    """Return a text as it may stand between quotes in a header."""
    plain = text.encode("ascii", "replace").decode()
    return plain.replace("\\", "\\\\").replace('"', '\\"')
