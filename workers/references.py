"""Scenes by reference: a client names an address, and a worker fetches what lies there, from allowed sources only."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

import httpx
from botocore.exceptions import BotoCoreError, ClientError
from sqlalchemy import insert
from sqlalchemy.orm import Session

from geo.errors import SceneRejected
from workers.database import epoch
from workers.errors import AddressRefused, AddressUnreachable, NotStored, StoreUnavailable
from workers.outbound import OutboundRules, check_url, open_outbound
from workers.records import SceneRecord
from workers.s3_store import S3Store
from workers.scenes import plain_name
from workers.settings import Settings

ATTEMPTS = 4
"""Times that a transfer may break off; each goes on where the last one ended, if the source can do so."""

_PAUSE_S = 1.0
_SILENT_S = 30.0
_SLOWEST_BYTES_S = 20_000
"""A source that is slower than that over a whole transfer holds a worker up for nothing."""

_GRACE_S = 60.0
_BUCKET = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(.{1,1024})")
_PASSING_STATUS = {408, 425, 429, 500, 502, 503, 504}


def check_reference(url: str, settings: Settings) -> None:
    """Refuse a reference by its form.

    Args:
        url: https://..., or s3://bucket/key.
        settings: with the sources that are allowed.

    Raises:
        AddressRefused: it is not among the sources, or no address at all.
    """
    if not settings.reference_sources:
        raise AddressRefused("this service takes no scene by reference; upload its file")
    if not url.startswith("s3://"):
        check_url(url, reference_rules(settings))
        return
    if not _BUCKET.fullmatch(url) or ".." in url:
        raise AddressRefused(f"expected s3://bucket/key; got {url[:100]!r}")
    own = settings.store if settings.store.startswith("s3://") else ""
    allowed = any(url.startswith(f"{source.rstrip('/')}/") for source in settings.reference_sources)
    if not allowed or (own and url.startswith(f"{own.rstrip('/')}/")):
        raise AddressRefused(f"{url[:200]} is not among the sources that this service reads from")


def reference_rules(settings: Settings) -> OutboundRules:
    """Return where what is named by https may lie."""
    return OutboundRules(
        sources=tuple(source for source in settings.reference_sources if not source.startswith("s3://")),
        private_hosts=settings.private_hosts,
    )


def receive_reference(session: Session, owner: str, urls: Mapping[str, str], options: Mapping[str, Any]) -> SceneRecord:
    """Note a scene by reference, and commit; the caller then sends its `ingest_scene` message.

    Once fetched it is split into one part: the scene that an upload of the same bytes is.

    Args:
        session: a session without a transaction under way, or of `writing`.
        owner: whose scene it is.
        urls: role (image, udm2, metadata) -> checked address.
        options: JSON values for the ingest.
    """
    number = uuid4().hex
    upload = {
        "folder": f"uploads/{number[:24]}/reference",
        "files": {},
        "references": dict(urls),
        "options": dict(options),
    }
    digest = hashlib.sha256(f"reference {number}".encode()).hexdigest()  # what comes there may differ every time
    values = {"id": number[:24], "owner": owner, "sha256": digest, "upload": upload, "sent_at": epoch()}
    session.execute(insert(SceneRecord).values(values))
    found = session.get_one(SceneRecord, number[:24])
    session.commit()
    return found


def fetch(url: str, folder: Path, settings: Settings, check: Callable[[], None]) -> Fetched:
    """Bring what lies at an address to scratch, streaming.

    Args:
        url: http(s) or s3; it is checked again, as is each hop of a redirect.
        folder: existing and empty; the file gets the name that the address ends with.
        settings: sources, largest size.
        check: is called often; raises where going on is in vain.

    Raises:
        SceneRejected: the source refuses, is away for longer, or has more than an upload may have.
    """
    try:
        check_reference(url, settings)
        path = folder / plain_name(unquote(shown(url).rsplit("/", 1)[-1]))
        transfer = _Transfer(path, settings.max_upload_mb * 1_000_000, check)
        if url.startswith("s3://"):
            _fetch_object(url, settings, transfer)
        else:
            _fetch_http(url, settings, transfer)
    except AddressRefused as err:
        raise SceneRejected(str(err)) from err
    return Fetched(path, transfer.sha256)


def _fetch_http(url: str, settings: Settings, transfer: _Transfer) -> None:
    with open_outbound(reference_rules(settings), timeout_s=_SILENT_S, follow_redirects=True) as client:
        etag, failed = "", ""
        for number in range(ATTEMPTS):
            if number:
                time.sleep(_PAUSE_S * 2**number)
            asked = {"Accept-Encoding": "identity"}
            if transfer.size and etag:
                asked |= {"Range": f"bytes={transfer.size}-", "If-Range": etag}
            try:
                with client.stream("GET", url, headers=asked) as response:
                    if response.status_code in _PASSING_STATUS:
                        failed = f"it answers {response.status_code}"
                        continue
                    if not response.is_success:
                        raise SceneRejected(
                            f"{shown(url)} answers {response.status_code} {response.reason_phrase}; the address must "
                            "be readable without credentials of the reader"
                        )
                    if response.status_code != httpx.codes.PARTIAL_CONTENT:
                        transfer.begin()
                        etag = response.headers.get("etag", "")
                        etag = "" if etag.startswith("W/") else etag
                    transfer.take(response.iter_raw())  # as it comes: nothing of a broken transfer is lost
                return
            except (httpx.TransportError, AddressUnreachable) as err:
                failed = str(err) or type(err).__name__
            except httpx.TooManyRedirects as err:
                raise SceneRejected(f"{shown(url)} leads on and on; give the address where the file lies") from err
    raise SceneRejected(f"{shown(url)} could not be fetched in {ATTEMPTS} attempts: {failed}")


def _fetch_object(url: str, settings: Settings, transfer: _Transfer) -> None:
    bucket, _, key = url.removeprefix("s3://").partition("/")
    try:
        transfer.take(S3Store(bucket, endpoint_url=settings.s3_endpoint_url).read(key))
    except NotStored as err:
        raise SceneRejected(f"{url[:200]}: {err}") from err
    except ClientError as err:
        raise SceneRejected(f"{url[:200]} cannot be read: {err.response.get('Error', {}).get('Code', '')}") from err
    except BotoCoreError as err:
        raise StoreUnavailable(f"{url[:200]} broke off: {err}") from err


def shown(url: str) -> str:
    """Return an address without its query, which may hold a signature."""
    return url.partition("?")[0]


@dataclass(frozen=True)
class Fetched:
    """A file that lay elsewhere.

    Attributes:
        path: in scratch.
        sha256: taken on the way.
    """

    path: Path
    sha256: str


class _Transfer:
    """A file that grows, with its SHA-256, its limits, and the time that it has taken."""

    def __init__(self, path: Path, max_bytes: int, check: Callable[[], None]) -> None:
        self._path, self._max_bytes, self._check = path, max_bytes, check
        self._began = time.monotonic()
        self.begin()

    @property
    def sha256(self) -> str:
        """SHA-256 of what has come."""
        return self._hash.hexdigest()

    def begin(self) -> None:
        """Begin with nothing."""
        self._path.write_bytes(b"")
        self._hash = hashlib.sha256()
        self.size = 0

    def take(self, chunks: Iterator[bytes]) -> None:
        """Append what comes.

        Raises:
            SceneRejected: it is too much, or comes too slowly.
        """
        with self._path.open("ab") as file:
            for chunk in chunks:
                self._check()
                self.size += len(chunk)
                if self.size > self._max_bytes:
                    raise SceneRejected(f"what lies there has more than {self._max_bytes} bytes, the most for a scene")
                if time.monotonic() - self._began > _GRACE_S + self.size / _SLOWEST_BYTES_S:
                    raise SceneRejected(
                        f"what lies there comes at less than {_SLOWEST_BYTES_S // 1000} kB/s; upload it"
                    )
                self._hash.update(chunk)
                file.write(chunk)
