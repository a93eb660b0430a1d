"""A stranger's server on the loopback: it takes callbacks, holds files, and answers as a test tells it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from workers.settings import Settings


@dataclass
class Receiver:
    """What the server has got, and what it will say.

    Attributes:
        port: on which it listens.
        got: path, headers (names in lower case) and body of every request, in order.
        answers: statuses of the next answers; 200 once there are none left.
        headers: of every answer.
        holds: path -> what is read there.
        asked: paths that were read, in order.
        dripping: set to send an answer's head byte by byte, without an end.
    """

    port: int = 0
    got: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    holds: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    dripping: threading.Event = field(default_factory=threading.Event)
    closing: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def known_to(self, settings: Settings) -> Settings:
        """Return settings that name the receiver as one of the own network."""
        return settings.model_copy(update={"private_hosts": (f"127.0.0.1:{self.port}",)})


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Run a receiver until the body is done."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.got.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            if receiver.dripping.is_set():
                self._drip()
                return
            self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
            for name, value in {"Content-Length": "0", **receiver.headers}.items():
                self.send_header(name, value)
            self.end_headers()

        def do_GET(self) -> None:
            receiver.asked.append(self.path)
            if receiver.dripping.is_set():
                self._drip()
                return
            held = receiver.holds.get(self.path)
            self.send_response(404 if held is None else 200)
            self.send_header("Content-Length", str(len(held or b"")))
            self.end_headers()
            try:
                self.wfile.write(held or b"")
            except OSError:  # the client has had enough
                self.close_connection = True

        def _drip(self) -> None:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nx: ")
            try:
                while not receiver.closing.wait(0.05):
                    self.wfile.write(b"x")
            except OSError:  # the client has had enough
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.port = server.server_port
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
