"""Around the whole app: headers that tell browsers what not to do, and a limit to what is taken in."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    # Everything from ourselves, nothing inline. Audio is fetched and decoded, images are none.
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
MAX_QUERY = 4_096
"""Bytes."""


class TooLargeError(Exception):
    """More bytes came than a request may have."""


class Shield:
    """ASGI middleware. `max_body` is in bytes."""

    def __init__(self, app: ASGIApp, max_body: int) -> None:
        self._app = app
        self._max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if len(scope["query_string"]) > MAX_QUERY:
            await PlainTextResponse("The query is too long.", 414, HEADERS)(scope, receive, send)
            return
        if _announced(scope) > self._max_body:
            await PlainTextResponse("The request is too large.", 413, HEADERS)(scope, receive, send)
            return
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                self._dress(scope, message)
            await send(message)

        try:
            await self._app(scope, _bounded(receive, self._max_body), sending)
        except TooLargeError:
            if started:
                raise
            await PlainTextResponse("The request is too large.", 413, HEADERS)(scope, receive, send)

    @staticmethod
    def _dress(scope: Scope, message: Message) -> None:
        headers = MutableHeaders(scope=message)
        for name, value in HEADERS.items():
            headers[name] = value
        if not scope["path"].startswith("/static/"):
            headers.setdefault("cache-control", "no-store")


def _announced(scope: Scope) -> int:
    """Bytes that Content-Length promises; 0 without one, or for one that is no number (the server refuses that)."""
    length = Headers(scope=scope).get("content-length", "0")
    return int(length) if length.isdecimal() else 0


def _bounded(receive: Receive, limit: int) -> Receive:
    taken = 0

    async def receiving() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > limit:
            raise TooLargeError
        return message

    return receiving
