"""Requests to addresses that strangers give: references to scenes, callbacks. None of them reaches our own network.

Every request, each hop of a redirect too, passes one transport. It looks the host's name up itself, refuses the host
if one of its addresses is not public, and connects to the very address that it has checked: a name that answers
otherwise the second time (DNS rebinding) gains nothing. TLS still proves the name.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import ssl
from dataclasses import dataclass
from typing import Literal

import httpx

from workers.errors import AddressRefused, AddressUnreachable

MAX_URL_CHARACTERS = 2000
CONNECT_S = 5.0
"""How long a connection may take to come about."""

_CLOUD_OWN = {ipaddress.ip_address("168.63.129.16")}  # public by its number, but a cloud's inner service
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def check_url(url: str, rules: OutboundRules) -> httpx.URL:
    """Refuse an address by its form, as far as that tells; its host is not looked up.

    Args:
        url: from a stranger.
        rules: what is allowed.

    Raises:
        AddressRefused: it is none of https (http where a private host is named), carries credentials, is a number
            that is not public, or is not among the sources that are allowed.
    """
    try:
        parsed = httpx.URL(url) if re.fullmatch(rf"[^\s\x00-\x1f\x7f]{{1,{MAX_URL_CHARACTERS}}}", url) else None
    except httpx.InvalidURL:
        parsed = None
    if parsed is None or not parsed.is_absolute_url or not parsed.host or _port(parsed) > 65535:
        raise AddressRefused(f"expected a URL such as https://example.org/scene.tif; got {url[:100]!r}")
    private = rules.named_private(parsed)
    if parsed.scheme != "https" and not (private and parsed.scheme == "http"):
        raise AddressRefused(f"expected an address with https; got {parsed.scheme[:20]}://")
    if parsed.userinfo:
        raise AddressRefused("an address must not carry a user name or a password; use one that is signed by its query")
    number = _number(parsed.host)
    if number is not None and not private and not is_public(number):
        raise AddressRefused(_not_public(parsed.host))
    if rules.sources is not None and not any(_covers(source, parsed) for source in rules.sources):
        raise AddressRefused(f"{parsed.scheme}://{parsed.host} is not among the sources that this service reads from")
    return parsed


def open_outbound(
    rules: OutboundRules,
    *,
    timeout_s: float = 15.0,
    follow_redirects: bool = False,
    verify: bool | ssl.SSLContext = True,
) -> httpx.Client:
    """Return a client whose every request keeps to the rules. Use it as a context manager.

    Args:
        rules: what is allowed.
        timeout_s: how long the other side may be silent.
        follow_redirects: each hop is checked as the first address was.
        verify: whether TLS must prove the name of the host, or by which authorities.
    """
    return httpx.Client(
        transport=_Guarded(rules, verify=verify),
        timeout=httpx.Timeout(timeout_s, connect=CONNECT_S),
        follow_redirects=follow_redirects,
        max_redirects=5,
        trust_env=False,  # a proxy would look names up on its own
        headers={"User-Agent": "chronoseg"},
    )


def open_outbound_async(
    rules: OutboundRules, *, timeout_s: float = 15.0, verify: bool | ssl.SSLContext = True
) -> httpx.AsyncClient:
    """Return an asynchronous client whose every request keeps to the rules; it follows no redirect.

    `asyncio.timeout` around a request bounds the whole of it, names and slow answers included.

    Args:
        rules: what is allowed.
        timeout_s: how long the other side may be silent.
        verify: whether TLS must prove the name of the host, or by which authorities.
    """
    return httpx.AsyncClient(
        transport=_GuardedAsync(rules, verify=verify),
        timeout=httpx.Timeout(timeout_s, connect=CONNECT_S),
        follow_redirects=False,
        trust_env=False,
        headers={"User-Agent": "chronoseg"},
    )


def is_public(address: Address) -> bool:
    """Tell whether an address is of the open internet, the one that it stands for included (mapped, 6to4, NAT64)."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if inner := address.ipv4_mapped or address.sixtofour:
            return is_public(inner)
        if address.teredo or address.is_site_local:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved and address not in _CLOUD_OWN


@dataclass(frozen=True)
class OutboundRules:
    """What may be asked for.

    Attributes:
        sources: URL prefixes, such as `https://data.example.org/scenes/` or `https://*.example.org/`; None: any host.
        private_hosts: names (`name` or `name:port`) of our own network that may be reached all the same, by http too.
    """

    sources: tuple[str, ...] | None = None
    private_hosts: tuple[str, ...] = ()

    def named_private(self, url: httpx.URL) -> bool:
        """Tell whether the operator names the host as one that may be private."""
        return url.host in self.private_hosts or f"{url.host}:{_port(url)}" in self.private_hosts


_ALONE = httpx.Limits(max_keepalive_connections=0)
"""No connection is kept for another name's sake."""


class _Guarded(httpx.BaseTransport):
    """Connects to addresses that were checked."""

    def __init__(self, rules: OutboundRules, *, verify: bool | ssl.SSLContext) -> None:
        self._rules = rules
        self._inner = httpx.HTTPTransport(verify=verify, limits=_ALONE)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request to a checked address of its host."""
        there, failed = request.url, None
        for address in _checked(request, self._rules):
            request.url = there.copy_with(host=str(address))
            try:
                return self._inner.handle_request(request)
            except (httpx.ConnectError, httpx.ConnectTimeout) as err:
                failed = err
            finally:
                request.url = there  # redirects are relative to the name
        raise AddressUnreachable(f"{there.host} cannot be reached") from failed

    def close(self) -> None:
        self._inner.close()


class _GuardedAsync(httpx.AsyncBaseTransport):
    """The same for those who must be able to give up at any moment, while a name is looked up too."""

    def __init__(self, rules: OutboundRules, *, verify: bool | ssl.SSLContext) -> None:
        self._rules = rules
        self._inner = httpx.AsyncHTTPTransport(verify=verify, limits=_ALONE)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request to a checked address of its host."""
        there, failed = request.url, None
        for address in await asyncio.to_thread(_checked, request, self._rules):
            request.url = there.copy_with(host=str(address))
            try:
                return await self._inner.handle_async_request(request)
            except (httpx.ConnectError, httpx.ConnectTimeout) as err:
                failed = err
            finally:
                request.url = there
        raise AddressUnreachable(f"{there.host} cannot be reached") from failed

    async def aclose(self) -> None:
        await self._inner.aclose()


def _checked(request: httpx.Request, rules: OutboundRules) -> list[Address]:
    """Return the addresses to which a request may go; TLS is to prove the name all the same."""
    check_url(str(request.url), rules)
    host = request.url.host
    found = addresses(host, _port(request.url))
    if not rules.named_private(request.url) and not all(is_public(address) for address in found):
        raise AddressRefused(_not_public(host))
    request.extensions = {**request.extensions, "sni_hostname": host}
    return found


def addresses(host: str, port: int) -> list[Address]:
    """Look a host up.

    Raises:
        AddressUnreachable: it has no address.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as err:
        raise AddressUnreachable(f"the host {host[:100]} is not known") from err
    return list(dict.fromkeys(ipaddress.ip_address(str(entry[4][0]).split("%")[0]) for entry in found))


def _covers(source: str, url: httpx.URL) -> bool:
    """Tell whether a URL lies under a source; its path is taken as it is sent, so `..` in any spelling is refused."""
    allowed = httpx.URL(source)
    if (allowed.scheme, _port(allowed)) != (url.scheme, _port(url)):
        return False
    host = allowed.host
    if not (url.host == host or (host.startswith("*.") and url.host.endswith(host[1:]))):
        return False
    path = url.raw_path.split(b"?")[0]
    if re.search(rb"\.\.|%2e|%2f|%5c|\\|//", path.lower()):
        return False
    prefix = allowed.raw_path.rstrip(b"/")
    return path == prefix or path.startswith(prefix + b"/")


def _number(host: str) -> Address | None:
    """Return the address that a host is, in any spelling that the system would take for a number (`0x7f.1`)."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, UnicodeError):
        return None


def _port(url: httpx.URL) -> int:
    default: dict[str, Literal[80, 443]] = {"http": 80, "https": 443}
    return url.port or default.get(url.scheme, 443)


def _not_public(host: str) -> str:
    return f"{host[:100]} is no address of the open internet; this service does not ask there"
