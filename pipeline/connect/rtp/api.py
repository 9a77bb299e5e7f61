"""The HTTP API with which the app names the streams."""

from typing import Annotated

from fastapi import APIRouter, FastAPI, Path, Request
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, Field
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline.base import http_problems
from pipeline.base.bearer_tokens import TokenSet
from pipeline.base.http_problems import problem
from pipeline.base.http_server import Shield
from pipeline.connect.rtp.mapping import NO_CONTROL, RtpMapping
from pipeline.connect.rtp.stream import RtpStream, State
from pipeline.connect.rtp.streams import OccupiedError, RtpStreams

BODY_BYTES = 16_384

StreamName = Annotated[str, Path(max_length=256, pattern=NO_CONTROL, description="a name that the app chooses")]

router = APIRouter(prefix="/v1/streams", tags=["streams"])


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


def create_app(streams: RtpStreams, tokens: TokenSet) -> FastAPI:
    app = FastAPI(title="Voxwarden RTP", docs_url=None, redoc_url=None)
    app.state.streams = streams
    app.add_api_route("/healthz", health, response_class=PlainTextResponse, include_in_schema=False)
    app.include_router(router)
    http_problems.install(app)
    app.add_exception_handler(OccupiedError, _occupied)
    app.add_middleware(Shield, max_body=BODY_BYTES, refuse=problem)
    app.add_middleware(TokenGate, tokens=tokens)
    return app


def health() -> str:
    """Answer "ok" while the process runs."""
    return "ok\n"


@router.put("/{name}")
async def put(request: Request, name: StreamName, mapping: RtpMapping) -> RtpStatus:
    """Add or change a stream."""
    return _status(await _streams(request).put(name, mapping))


@router.delete("/{name}", status_code=204)
async def delete(request: Request, name: StreamName) -> None:
    """End a stream."""
    await _streams(request).delete(name)


@router.get("/{name}")
async def get(request: Request, name: StreamName) -> RtpStatus:
    """Read a stream."""
    return _status(_streams(request).get(name))


@router.get("")
async def every(request: Request) -> dict[str, RtpStatus]:
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
