"""The store in an S3 bucket (AWS, MinIO, Ceph, ...). Credentials come from where boto3 looks for them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit
from uuid import uuid4

import boto3
from boto3.exceptions import S3UploadFailedError
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError, IncompleteReadError
from typing_extensions import override

from workers.errors import NotStored, StoreUnavailable
from workers.store import CHUNK_BYTES, Stat, Store, check_key

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_TRANSFER = TransferConfig(multipart_threshold=32 << 20, multipart_chunksize=32 << 20, max_concurrency=4)
_MISSING = {"404", "NoSuchKey", "NotFound"}
_PASSING = {"SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "Throttling", "500", "502", "503"}


def gdal_environment(endpoint_url: str) -> dict[str, str]:
    """Return the options by which GDAL reads /vsis3/ from the service at `endpoint_url` ("" = AWS)."""
    options = {
        "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
        "GDAL_HTTP_MAX_RETRY": "4",
        "GDAL_HTTP_RETRY_DELAY": "0.5",
        # Else GDAL remembers, as long as the process lives, that a file was not there while the service was away.
        "CPL_VSIL_CURL_NON_CACHED": "/vsis3/",
    }
    if endpoint_url:
        url = urlsplit(endpoint_url)
        options |= {
            "AWS_S3_ENDPOINT": url.netloc + url.path.rstrip("/"),
            "AWS_HTTPS": "YES" if url.scheme == "https" else "NO",
            "AWS_VIRTUAL_HOSTING": "FALSE",
        }
    return options


class S3Store(Store):
    """Objects below one prefix of one bucket. Opening it tells GDAL, in this process, where the service is."""

    def __init__(self, bucket: str, prefix: str = "", *, endpoint_url: str = "") -> None:
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._client: S3Client = boto3.client(
            "s3",
            endpoint_url=endpoint_url or None,
            config=Config(
                connect_timeout=5,
                read_timeout=60,
                retries={"mode": "standard", "max_attempts": 4},
                s3={"addressing_style": "path" if endpoint_url else "auto"},
            ),
        )
        os.environ.update(gdal_environment(endpoint_url))

    def prepare(self) -> None:
        """Make the bucket if it is missing; where looking is not allowed, it is taken to be there."""
        with _named_errors(self._bucket):
            try:
                self._client.head_bucket(Bucket=self._bucket)
            except ClientError as err:
                if err.response["ResponseMetadata"]["HTTPStatusCode"] == HTTPStatus.NOT_FOUND:
                    self._client.create_bucket(Bucket=self._bucket)

    def put(self, path: Path, key: str) -> None:
        """Store a file whole or not at all, large ones in parts."""
        with _named_errors(key):
            self._client.upload_file(str(path), self._bucket, self._object(key), Config=_TRANSFER)

    def get(self, key: str, path: Path) -> None:
        """Copy what is stored to a local file; the path holds all of it or is untouched."""
        aside = path.with_name(f"{path.name}.{uuid4().hex}")
        try:
            with _named_errors(key):
                self._client.download_file(self._bucket, self._object(key), str(aside), Config=_TRANSFER)
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)

    def read(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Yield the bytes from `start` on, in chunks."""
        size = self.stat(key).size
        end = size if length is None else min(start + length, size)
        if start >= end:
            return iter(())
        with _named_errors(key):
            found = self._client.get_object(
                Bucket=self._bucket, Key=self._object(key), Range=f"bytes={start}-{end - 1}"
            )
        return found["Body"].iter_chunks(CHUNK_BYTES)

    def stat(self, key: str) -> Stat:
        """Tell size and time."""
        with _named_errors(key):
            found = self._client.head_object(Bucket=self._bucket, Key=self._object(key))
        return Stat(found["ContentLength"], found["LastModified"].timestamp())

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that begin with `prefix`, in order."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._prefix + prefix
        )
        with _named_errors(prefix):
            for page in pages:
                for found in page.get("Contents", []):
                    yield found["Key"].removeprefix(self._prefix)

    def remove(self, prefix: str) -> None:
        """Remove every key that begins with `prefix`, a thousand at a time."""
        check_key(prefix.rstrip("/"))
        found = self.keys(prefix)
        while batch := list(islice(found, 1000)):
            with _named_errors(prefix):
                reply = self._client.delete_objects(
                    Bucket=self._bucket,
                    Delete={"Objects": [{"Key": self._prefix + key} for key in batch], "Quiet": True},
                )
            for error in reply.get("Errors", []):
                raise StoreUnavailable(f"{error.get('Key')} could not be removed: {error.get('Message')}")

    @override
    def folder(self, prefix: str) -> Path | None:
        """Return None: nothing of it is local."""
        return None

    def gdal_path(self, key: str) -> str:
        """Return the key's path in GDAL's /vsis3/ file system."""
        return f"/vsis3/{self._bucket}/{self._object(key)}"

    def _object(self, key: str) -> str:
        return self._prefix + check_key(key)


@contextmanager
def _named_errors(key: str) -> Iterator[None]:
    try:
        yield
    except (ConnectionError, HTTPClientError, IncompleteReadError) as err:
        raise StoreUnavailable(f"the S3 service cannot be reached: {err}") from err
    except S3UploadFailedError as err:
        if isinstance(err.__context__, ClientError):
            _raise_named(err.__context__, key)
        raise StoreUnavailable(f"{key} could not be put: {err}") from err
    except ClientError as err:
        _raise_named(err, key)


def _raise_named(err: ClientError, key: str) -> NoReturn:
    code = err.response.get("Error", {}).get("Code", "")
    if code in _MISSING:
        raise NotStored(f"nothing is stored under {key}") from err
    if code in _PASSING:
        raise StoreUnavailable(f"the S3 service refuses for now: {err}") from err
    raise err
