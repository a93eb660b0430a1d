"""Identities that were checked a moment ago: a client's next requests cost neither the database nor a thread."""

from __future__ import annotations

import hashlib
from threading import Lock

from cachetools import TTLCache

from workers.keys import Identity

KEPT_S = 1.0
"""How long a check holds: a key that is revoked by another process is taken so much longer, at most."""

_MOST = 10_000


class RecentIdentities:
    """What credentials proved to be; safe in threads, and empty again after `KEPT_S`."""

    def __init__(self) -> None:
        self._found: TTLCache[bytes, Identity] = TTLCache(_MOST, KEPT_S)
        self._lock = Lock()

    def find(self, credential: str | None) -> Identity | None:
        """Return whose a credential was a moment ago; None if that is not known."""
        with self._lock:
            return self._found.get(_name(credential))

    def keep(self, credential: str | None, identity: Identity) -> None:
        """Keep whose a credential is; None stands for having none."""
        with self._lock:
            self._found[_name(credential)] = identity

    def forget(self) -> None:
        """Forget all: a key was made, changed or revoked here."""
        with self._lock:
            self._found.clear()


def _name(credential: str | None) -> bytes:
    """Return what stands for a credential, from which it cannot be told."""
    return b"" if credential is None else hashlib.sha256(credential.encode("utf-8", "surrogatepass")).digest()
