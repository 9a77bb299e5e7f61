"""Runs the receiver of RTP: its streams, its metrics, and the HTTP API with which the app names the streams."""

import time
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Path, Request
from fastapi.responses import PlainTextResponse
from msgspec import Struct
from pydantic import BaseModel, Field
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline.base import http_problems
from pipeline.base.errors import ConfigError
from pipeline.base.http_problems import problem
from pipeline.base.http_server import Shield, listen, served
from pipeline.base.metrics import Metrics
from pipeline.base.metrics_server import serving as figures
from pipeline.base.network_access import ServerTokens, TokenSet
from pipeline.connect.client.speaker_stream import SpeakerStream
from pipeline.connect.rtp.rtp_stream import NO_CONTROL, OpenSpeaker, RtpMapping, RtpStream, State
from pipeline.connect.rtp.stream_registry import OccupiedError, RtpStreams
from pipeline.settings import Settings

BODY_BYTES = 16_384
"""Largest body of a request. A mapping has less than 10 kB, also if all characters of its names are escaped."""

StreamName = Annotated[str, Path(max_length=256, pattern=NO_CONTROL, description="a name that the app chooses")]

router = APIRouter(prefix="/v1/streams", tags=["streams"])


class Receiving(Struct, frozen=True, kw_only=True):
    """The addresses of a running process. `token` is the token that was generated, if none was set."""

    api_url: str
    metrics_url: str
    token: str | None


async def serve_rtp(
    settings: Settings, started: Callable[[Receiving], None], stop: Callable[[], Coroutine[Any, Any, object]]
) -> None:
    """Receive until `stop` returns. Then the gateway gets all speech that has arrived.

    Raises ConfigError for missing tokens, and DependencyError for a port in use.
    """
    tokens, open_speaker, metrics = _tokens(settings), _open_speaker(settings), Metrics()
    streams = RtpStreams(settings.rtp, open_speaker, metrics, time.monotonic, time.time)
    listener = listen(settings.rtp.http_host, settings.rtp.http_port, "rtp")
    try:
        with figures(metrics, settings.metrics.host, settings.metrics.port) as metrics_url:
            async with served(create_rtp_app(streams, tokens), listener, lambda: None):
                url = f"http://{settings.rtp.http_host}:{listener.getsockname()[1]}/v1/streams"
                started(Receiving(api_url=url, metrics_url=metrics_url, token=tokens.generated))
                await stop()
            await streams.close()  # after the API ended, so that no new stream begins
    finally:
        listener.close()


class RtpStatus(BaseModel):
    """A stream and its state."""

    mapping: RtpMapping
    port: int = Field(description="UDP port to which the media server sends")
    state: State = Field(description="waiting for the first packet, live, or refused by the gateway")
    refusal: str = Field(description="why the gateway refuses it")
    packets: int = Field(description="packets taken")
    unheard_seconds: float = Field(description="seconds that were lost")


class TokenGate:
    """Refuses requests without a valid token before their body is read."""

    def __init__(self, app: ASGIApp, tokens: TokenSet) -> None:
        self._app = app
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(raw=scope.get("headers", [])).getlist("authorization")
        if scope["type"] != "http" or scope["path"] == "/healthz" or self._tokens.accepts(headers):
            await self._app(scope, receive, send)
        else:
            await problem("No valid token. Send the header Authorization: Bearer <token>.", 401)(scope, receive, send)


def create_rtp_app(streams: RtpStreams, tokens: TokenSet) -> FastAPI:
    app = FastAPI(title="Voxwarden RTP", docs_url=None, redoc_url=None)  # their pages load scripts from another host
    app.state.streams = streams
    app.add_api_route("/healthz", health, response_class=PlainTextResponse, include_in_schema=False)
    app.include_router(router)
    http_problems.install(app)
    app.add_exception_handler(OccupiedError, _occupied)
    app.add_middleware(Shield, max_body=BODY_BYTES, refuse=problem)
    # Starlette runs the middleware that was added last first. So the gate refuses before anything reads the body.
    app.add_middleware(TokenGate, tokens=tokens)
    return app


def health() -> str:
    """Answer "ok" while the process runs."""
    return "ok\n"


@router.put("/{name}")
async def put_stream(request: Request, name: StreamName, mapping: RtpMapping) -> RtpStatus:
    """Add or change a stream."""
    return _status(await _streams(request).put(name, mapping))


@router.delete("/{name}", status_code=204)
async def delete_stream(request: Request, name: StreamName) -> None:
    """End a stream."""
    await _streams(request).delete(name)


@router.get("/{name}")
async def read_stream(request: Request, name: StreamName) -> RtpStatus:
    """Read a stream."""
    return _status(_streams(request).get(name))


@router.get("")
async def list_streams(request: Request) -> dict[str, RtpStatus]:
    """Read all streams."""
    return {name: _status(stream) for name, stream in _streams(request).streams.items()}


def _streams(request: Request) -> RtpStreams:
    found: RtpStreams = request.app.state.streams
    return found


def _status(stream: RtpStream) -> RtpStatus:
    return RtpStatus(
        mapping=stream.mapping,
        port=stream.port,
        state=stream.state,
        refusal=stream.refusal,
        packets=stream.packets,
        unheard_seconds=stream.unheard_seconds,
    )


async def _occupied(request: Request, error: Exception) -> Response:
    del request
    return problem(str(error), 409)


def _tokens(settings: Settings) -> ServerTokens:
    given = [token.get_secret_value() for token in settings.rtp.tokens]
    refusal = (
        f"The API on {settings.rtp.http_host} has no token, so anyone could name streams",
        """Set one, e.g. VOXWARDEN_RTP__TOKENS='["<long random text>"]'.""",
    )
    return ServerTokens(given, settings.rtp.http_host, refusal)


def _open_speaker(settings: Settings) -> OpenSpeaker:
    rtp = settings.rtp
    if not settings.gateway.tokens:
        raise ConfigError(
            "gateway.tokens is empty", "Set VOXWARDEN_GATEWAY__TOKENS to a list with the receiver's token."
        )
    token = settings.gateway.tokens[0].get_secret_value()  # all are accepted; there are two only while they rotate

    def opened(mapping: RtpMapping) -> SpeakerStream:
        return SpeakerStream(
            rtp.gateway_url,
            token,
            mapping.room,
            mapping.speaker,
            room_type=mapping.room_type,
            identity_verified=mapping.identity_verified,
        )

    return opened
