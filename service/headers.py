"""Headers that go with every answer, so that a browser does nothing with it that was not meant."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}
PAGES = ("/docs", "/redoc")
"""Pages whose scripts come from elsewhere; all other answers are data."""

ON_DATA = {**ALWAYS, "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"}
ON_PAGES = {**ALWAYS, "Content-Security-Policy": "frame-ancestors 'none'"}
NO_STORE = {"Cache-Control": "no-store"}
"""On what holds a secret."""

HSTS = "max-age=31536000"


class SecureHeaders:
    """ASGI middleware; headers that a route sets itself stay."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; add to the head of its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in (ON_PAGES if scope["path"].startswith(PAGES) else ON_DATA).items():
                    headers.setdefault(name, value)
                if scope["scheme"] == "https":
                    headers.setdefault("Strict-Transport-Security", HSTS)
            await send(message)

        await self._app(scope, receive, add)
