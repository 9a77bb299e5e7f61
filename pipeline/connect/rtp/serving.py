"""Runs the receiver: its streams, its HTTP API and its metrics."""

import time
from collections.abc import Callable, Coroutine
from typing import Any

from msgspec import Struct

from pipeline.base.bearer_tokens import ServerTokens
from pipeline.base.errors import ConfigError
from pipeline.base.http_server import listen, served
from pipeline.base.metrics import Metrics
from pipeline.base.metrics_server import serving as figures
from pipeline.connect.client.gateway import SpeakerStream
from pipeline.connect.rtp.api import create_app
from pipeline.connect.rtp.mapping import RtpMapping
from pipeline.connect.rtp.stream import OpenSpeaker
from pipeline.connect.rtp.streams import RtpStreams
from pipeline.settings import Settings


class Receiving(Struct, frozen=True, kw_only=True):
    """The addresses of a running process. `token` is the token that was generated, if none was set."""

    api_url: str
    metrics_url: str
    token: str | None


async def serve(
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
            async with served(create_app(streams, tokens), listener, lambda: None):
                url = f"http://{settings.rtp.http_host}:{listener.getsockname()[1]}/v1/streams"
                started(Receiving(api_url=url, metrics_url=metrics_url, token=tokens.generated))
                await stop()
            await streams.close()
    finally:
        listener.close()


def _tokens(settings: Settings) -> ServerTokens:
    given = [token.get_secret_value() for token in settings.rtp.tokens]
    refusal = (
        f"The API on {settings.rtp.http_host} has no token, so anyone could name streams",
        """Set one, e.g. VOXWARDEN_RTP__TOKENS='["<long random text>"]'.""",
    )
    return ServerTokens(given, settings.rtp.http_host, refusal)


def _open_speaker(settings: Settings) -> OpenSpeaker:
    rtp = settings.rtp
    tokens = [each for each in (rtp.gateway_token, *settings.gateway.tokens) if each]
    if not tokens:
        raise ConfigError(
            "rtp.gateway_token is not set, and gateway.tokens is empty",
            "Set VOXWARDEN_GATEWAY__TOKENS to the same list as for the gateway.",
        )
    token = tokens[0].get_secret_value()

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
