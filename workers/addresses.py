"""Addresses: which are this machine's own, and which may be trusted to answer for whom they name."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def check_secure_url(url: str) -> None:
    """Refuse an address at which somebody in between could answer instead.

    Raises:
        ValueError: it is not https, nor http on the loopback.
    """
    parts = urlsplit(url)
    plain = parts.scheme == "http" and is_loopback(parts.hostname or "")
    if not parts.hostname or parts.fragment or parts.username or not (parts.scheme == "https" or plain):
        raise ValueError(f"expected an https:// URL (http:// on the loopback only); got {url[:200]!r}")
