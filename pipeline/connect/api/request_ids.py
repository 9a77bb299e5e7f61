"""The id of a request: in its answer, and in each line of the log that it leads to."""

import re
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.base.logs import REQUEST

HEADER = "x-request-id"

PLAIN = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""Ids that are taken from a request. Others could forge lines of the log."""


class RequestIds:
    """The middleware. It takes the id from the request, or else makes one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        identity = given if PLAIN.fullmatch(given) else uuid.uuid4().hex
        # Never reset: the server logs an unexpected error after this middleware. Each request sets its own.
        REQUEST.set(identity)

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = identity
            await send(message)

        await self._app(scope, receive, sending)
