from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from workers.errors import AddressRefused, AddressUnreachable
from workers.outbound import OutboundRules, check_url, is_public, open_outbound

ANY = OutboundRules()


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.1.2.3", "224.0.0.1",
        "255.255.255.255", "240.0.0.1", "168.63.129.16", "192.0.2.1", "::1", "::", "fe80::1", "fc00::1",
        "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "fec0::1", "2001:db8::1",
    ],
)  # fmt: skip
def test_addresses_that_are_not_of_the_open_internet(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.215.14", "2606:4700::1111", "64:ff9b::101:101", "2002:101:101::1"]
)
def test_addresses_of_the_open_internet(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "", "scene.tif", "//host/x", "ftp://example.org/x", "file:///etc/passwd", "gopher://example.org/", "https://",
        "http://example.org/x", "https://user:secret@example.org/x", "https://user@example.org/", "https://127.0.0.1/x",
        "https://[::1]/x", "https://0x7f.1/x", "https://2130706433/x", "https://017700000001/", "https://127.1/",
        "https://[::ffff:10.0.0.1]/", "https://169.254.169.254/latest/meta-data/", "https://exa mple.org/",
        "https://example.org/" + "x" * 2000, "https://example.org:99999/", "/vsicurl/https://example.org/x",
    ],
)  # fmt: skip
def test_addresses_refused_by_their_form(url: str) -> None:
    with pytest.raises(AddressRefused):
        check_url(url, ANY)


@pytest.mark.parametrize(
    ("url", "covered"),
    [
        ("https://data.example.org/scenes/a.tif", True),
        ("https://data.example.org:443/scenes/a.tif?sig=%2F..", True),
        ("https://data.example.org/scenes", True),
        ("https://data.example.org/scenesX/a.tif", False),
        ("https://data.example.org/other/a.tif", False),
        ("https://data.example.org/scenes/../other/a.tif", False),
        ("https://data.example.org/scenes/%2e%2e/other/a.tif", False),
        ("https://data.example.org/scenes/..%2Fother/a.tif", False),
        ("https://data.example.org:8443/scenes/a.tif", False),
        ("https://x.tiles.example.com/a.tif", True),
        ("https://tiles.example.com/a.tif", False),
        ("https://eviltiles.example.com/a.tif", False),
        ("https://data.example.org.evil.net/scenes/a.tif", False),
    ],
)
def test_sources(url: str, covered: bool) -> None:
    rules = OutboundRules(sources=("https://data.example.org/scenes/", "https://*.tiles.example.com/"))
    if covered:
        check_url(url, rules)
    else:
        with pytest.raises(AddressRefused):
            check_url(url, rules)


class _Answers(BaseHTTPRequestHandler):
    asked: ClassVar[list[tuple[str, str]]]

    def do_GET(self) -> None:
        self.asked.append((self.headers["Host"], self.path))
        status, headers = 200, {"Content-Length": "2"}
        if self.path.startswith("/to?"):
            status, headers = 302, {"Location": self.path[4:], "Content-Length": "0"}
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if status == 200:
            self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None: ...


@contextmanager
def _server(tls: ssl.SSLContext | None = None) -> Iterator[tuple[int, list[tuple[str, str]]]]:
    class Handler(_Answers):
        asked: ClassVar[list[tuple[str, str]]] = []

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port, Handler.asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _certificate(name: str, folder: Path) -> Path:
    """A certificate that vouches for itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = folder / f"{name}.pem"
    path.write_bytes(private + made.public_bytes(pem))
    return path


def test_a_name_that_leads_to_our_own_network_is_refused_before_anything_is_sent() -> None:
    with _server() as (port, asked), open_outbound(ANY) as client:
        with pytest.raises(AddressRefused, match="open internet"):
            client.get(f"https://localhost:{port}/")
        assert not asked


def test_a_host_that_the_operator_names_is_reached() -> None:
    with _server() as (port, asked):
        rules = OutboundRules(private_hosts=(f"localhost:{port}",))
        with open_outbound(rules) as client:
            assert client.get(f"http://localhost:{port}/a?b").text == "ok"
        assert asked == [(f"localhost:{port}", "/a?b")]


def test_every_hop_of_a_redirect_is_checked() -> None:
    with _server() as (port, asked), _server() as (inner, hidden):
        rules = OutboundRules(private_hosts=(f"localhost:{port}",))
        with open_outbound(rules, follow_redirects=True) as client:
            for target in (f"http://127.0.0.1:{inner}/", f"https://localhost:{inner}/", "file:///etc/passwd"):
                with pytest.raises((AddressRefused, httpx.UnsupportedProtocol)):
                    client.get(f"http://localhost:{port}/to?{target}")
            assert client.get(f"http://localhost:{port}/to?/there").text == "ok"
        assert not hidden
        assert asked[-1] == (f"localhost:{port}", "/there")


def test_redirects_are_followed_only_where_that_is_asked_for() -> None:
    with _server() as (port, _), open_outbound(OutboundRules(private_hosts=("localhost",))) as client:
        assert client.get(f"http://localhost:{port}/to?/there").status_code == 302


def test_the_address_that_was_checked_is_the_one_that_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name's server that answers well first and with the loopback later (DNS rebinding) gains nothing."""
    looked_up: list[str] = []
    truth = socket.getaddrinfo

    def rebinding(host: str, *args: object, **more: object) -> object:
        looked_up.append(host)
        if host != "rebinding.example":
            return truth(host, *args, **more)  # type: ignore[arg-type] # as it came
        first = looked_up.count(host) == 1
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2" if first else "127.0.0.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    with _server() as (port, asked), open_outbound(OutboundRules(private_hosts=("rebinding.example",))) as client:
        with pytest.raises(AddressUnreachable):
            client.get(f"http://rebinding.example:{port}/")
        assert not asked
    assert looked_up.count("rebinding.example") == 1


def test_one_private_address_among_public_ones_is_enough_to_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 443)) for host in ("1.1.1.1", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: found)
    with open_outbound(ANY) as client, pytest.raises(AddressRefused):
        client.get("https://both.example/")


def test_tls_proves_the_name_though_the_number_is_connected_to(tmp_path: Path) -> None:
    for name, right in (("localhost", True), ("other.example", False)):
        pem = _certificate(name, tmp_path)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(pem)
        trusting = ssl.create_default_context(cafile=str(pem))
        rules = OutboundRules(private_hosts=("localhost",))
        with _server(tls) as (port, _), open_outbound(rules, verify=trusting) as client:
            if right:
                assert client.get(f"https://localhost:{port}/").text == "ok"
            else:
                with pytest.raises(AddressUnreachable):
                    client.get(f"https://localhost:{port}/")


def test_an_unknown_host_is_unreachable() -> None:
    with open_outbound(ANY) as client, pytest.raises(AddressUnreachable):
        client.get("https://no-such-host.invalid/")
