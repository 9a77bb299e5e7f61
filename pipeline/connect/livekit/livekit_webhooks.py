"""Receives the LiveKit server's webhooks. Each is only a hint to look at a room: some come late, twice or never.

The server signs a webhook by a JSON Web Token (HS256) in the header `Authorization`, with the hash of the body.
"""

import binascii
import hmac
import logging
from base64 import b64decode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from hashlib import sha256

import jwt
import msgspec
from aiohttp import web

from pipeline.base.errors import DependencyError
from pipeline.base.json_reading import read_json
from pipeline.base.metrics import Metrics, from_zero

log = logging.getLogger(__name__)

CONTENT_TYPE = "application/webhook+json"
MOST_BYTES = 262_144
"""The most bytes of a webhook. A room's metadata is part of it."""
LEEWAY_SECONDS = 60.0
"""By how much the server's clock may differ from ours."""


class _Named(msgspec.Struct):
    name: str = ""


class Hint(msgspec.Struct):
    """The fields of a webhook that we read."""

    event: str
    room: _Named | None = None


class RefusedError(Exception):
    """The webhook is not from the server, or cannot be read. The answer gets `status`."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Signature:
    """Checks webhooks that are signed by the pair of `key` and `secret`."""

    def __init__(self, key: str, secret: str) -> None:
        self._key = key
        self._secret = secret

    def check(self, token: str, body: bytes) -> None:
        """Raise RefusedError (401) if the token was not made for this body with our secret, or is out of date."""
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=["HS256"],  # named, or a forged token could choose `none`
                issuer=self._key,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss"]},
            )
            # The token signs only the hash of the body, so a caller must compare the hash, too.
            told = b64decode(str(claims.get("sha256", "")), validate=True)
        except (jwt.InvalidTokenError, binascii.Error, ValueError) as error:
            raise RefusedError(401) from error
        if not hmac.compare_digest(told, sha256(body).digest()):
            raise RefusedError(401)


def read_webhook(signature: Signature, content_type: str, token: str, body: bytes) -> Hint:
    """Check and decode a webhook. Raises RefusedError."""
    if content_type.partition(";")[0].strip().lower() != CONTENT_TYPE:
        raise RefusedError(415)
    signature.check(token, body)
    try:
        return read_json(body, Hint)
    except msgspec.DecodeError as error:
        raise RefusedError(400) from error


@asynccontextmanager
async def receiving(
    host: str, port: int, signature: Signature, hint: Callable[[str], None], metrics: Metrics
) -> AsyncIterator[str]:
    """Receive webhooks until the block ends, and give `hint` the name of each one's room. Gives the URL.

    Port 0 selects a free port. Raises DependencyError if the port cannot be opened.
    """
    from_zero(metrics.livekit_webhooks, ("accepted", "refused"))

    async def answer(request: web.Request) -> web.Response:
        try:
            found = read_webhook(
                signature, request.content_type, request.headers.get("Authorization", ""), await request.read()
            )
        except RefusedError as error:
            metrics.livekit_webhooks.labels("refused").inc()
            return web.Response(status=error.status)
        metrics.livekit_webhooks.labels("accepted").inc()
        if found.room and found.room.name:  # events of egress and ingress may have no room
            hint(found.room.name)
        return web.Response()

    app = web.Application(client_max_size=MOST_BYTES)
    app.router.add_post("/webhook", answer)
    runner = web.AppRunner(app, access_log=None)  # it would log each webhook of a busy server
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise DependencyError(
                f"The receiver of webhooks cannot listen on {host}:{port}: {error.strerror}",
                "Set livekit.webhook_port to a free port.",
            ) from error
        yield f"http://{host}:{runner.addresses[0][1]}/webhook"
    finally:
        await runner.cleanup()
