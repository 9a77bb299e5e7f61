"""Settings of what apps and room servers connect to: WebSocket gateway, LiveKit, RTP, HTTP API, metrics."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, SecretStr, StringConstraints, model_validator

from pipeline.contract.messages import Action
from pipeline.settings.section import Section, Token, Url


class GatewaySettings(Section):
    """The WebSocket gateway."""

    host: str = Field("127.0.0.1", description="address on which the gateway listens")
    port: int = Field(8765, ge=0, le=65_535, description="port on which the gateway listens; 0: any free port")
    tokens: tuple[Token, ...] = Field(
        (), description="bearer tokens of clients, 16 characters or more; set them in the environment"
    )
    egress_tokens: tuple[Token, ...] = Field(
        (), description="tokens in the URLs of LiveKit's track egress, 16 characters or more; empty: no egress is taken"
    )
    closed_room_types: tuple[str, ...] = Field(
        (), description="room types whose audio is refused with code 4403 and never recorded"
    )
    max_connections: PositiveInt = Field(2_000, description="maximum open connections")
    max_speed: float = Field(2.0, ge=1, description="maximum seconds of audio per second and connection")
    burst_seconds: PositiveFloat = Field(
        10.0, description="size of a burst after a network stall: seconds of audio, and of the other maximum rates"
    )


SHORTEST_SECRET = 32  # minimum length of LiveKit's secret in bytes: HMAC-SHA256 needs a key as long as its result

Word = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class ActionRule(Section):
    """An action without a person: on each flag that is at least as severe as `suggestion`, or fit for actions: act."""

    suggestion: Literal["review", "block", "act"] = Field(
        "block",
        description="the lowest suggestion on which the rule acts; act: only on flags that the policy calls fit for it",
    )
    labels: tuple[Word, ...] = Field((), description="labels of which the flag must have one; empty: any label")
    action: Action = Field(description="warn, mute, remove or close_room")


class LiveKitSettings(Section):
    """The bot that listens in LiveKit rooms and carries out actions there."""

    url: Url = Field("ws://127.0.0.1:7880", pattern="^(ws|http)s?://", description="URL of the LiveKit server")
    api_key: str = Field("", description="API key of the LiveKit server")
    api_secret: SecretStr | None = Field(
        None, description="secret of the API key, 32 bytes or more; set it in the environment"
    )
    rooms: tuple[Word, ...] = Field(("*",), description="patterns of the names of rooms to listen in, e.g. game-*")
    room_type: Word = Field("default", description="room type of these rooms, for the policy")
    gateway_url: Url = Field(
        "ws://127.0.0.1:8765", pattern="^wss?://", description="URL of the gateway that takes the audio"
    )
    members: tuple[Word, ...] = Field(
        (), description="names of all processes that share the rooms, the same list in each; empty: one process"
    )
    name: str = Field("", description="name of this process in livekit.members")
    webhook_host: str = Field("127.0.0.1", description="address on which LiveKit's webhooks arrive")
    webhook_port: int | None = Field(
        None, ge=0, le=65_535, description="port on which LiveKit's webhooks arrive; 0: any free port; unset: none"
    )
    actions: tuple[Action, ...] = Field(
        ("warn", "mute", "remove", "close_room"), description="actions to carry out; leave out what your app does"
    )
    rules: tuple[ActionRule, ...] = Field((), description="actions on flags without a person; the first match acts")
    mute_seconds: PositiveFloat = Field(
        600.0, le=31_536_000, description="seconds after which a muted speaker may publish again"
    )

    @model_validator(mode="after")
    def _check(self) -> "LiveKitSettings":
        if self.members and self.name not in self.members:
            raise ValueError(f"livekit.name is {self.name or 'empty'}, but must be one of livekit.members")
        secret = self.api_secret.get_secret_value() if self.api_secret else ""
        if secret and len(secret.encode()) < SHORTEST_SECRET:
            raise ValueError(f"livekit.api_secret is shorter than {SHORTEST_SECRET} bytes; LiveKit asks for 32, too")
        return self


class RtpSettings(Section):
    """The receiver of RTP from media servers such as mediasoup and Janus."""

    host: str = Field("127.0.0.1", description="address on which RTP packets arrive")
    first_port: int = Field(20_000, ge=1, le=65_535, description="first UDP port for RTP packets")
    last_port: int = Field(20_999, ge=1, le=65_535, description="last UDP port for RTP packets")
    http_host: str = Field("127.0.0.1", description="address of the HTTP API with which your app names the streams")
    http_port: int = Field(8091, ge=0, le=65_535, description="port of this API; 0: any free port")
    tokens: tuple[Token, ...] = Field(
        (), description="bearer tokens for this API, 16 characters or more; set them in the environment"
    )
    gateway_url: Url = Field(
        "ws://127.0.0.1:8765", pattern="^wss?://", description="URL of the gateway that takes the audio"
    )
    jitter_seconds: PositiveFloat = Field(
        0.1, le=1, description="seconds for which packets wait for a missing one before it counts as lost"
    )

    @model_validator(mode="after")
    def _check(self) -> "RtpSettings":
        if self.last_port < self.first_port:
            raise ValueError("rtp.last_port is lower than rtp.first_port")
        return self


class MetricsServer(Section):
    """The HTTP server of the Prometheus metrics."""

    host: str = Field("127.0.0.1", description="address on which metrics are served")
    port: int = Field(9108, ge=0, le=65_535, description="port on which metrics are served; 0: any free port")


Scope = Literal["moderate", "cases", "decide", "verdicts"]
"""What a token allows: send texts and recordings, read cases, decide them, read the stream of verdicts."""


class ApiToken(Section):
    """A token with what it allows."""

    token: Token = Field(description="bearer token of a program, 16 characters or more; set it in the environment")
    scopes: frozenset[Scope] = Field(description="moderate, cases, decide, verdicts", min_length=1)


class Api(Section):
    """The HTTP API for programs."""

    host: str = Field("127.0.0.1", description="address on which the API listens")
    port: int = Field(8090, ge=0, le=65_535, description="port on which the API listens; 0: any free port")
    tokens: tuple[ApiToken, ...] = Field(
        (), description="tokens with their scopes: a list of {token, scopes}; set them in the environment"
    )
    audio_hosts: tuple[Word, ...] = Field(
        (), description="hosts from whose URLs recordings are fetched, e.g. media.example.com; empty: none"
    )
    max_audio_seconds: PositiveFloat = Field(14_400.0, description="maximum length of a recording in seconds")
    max_requests_per_second: PositiveFloat = Field(20.0, description="maximum requests per second and token")
    max_waiting: PositiveInt = Field(16, description="maximum requests of one token that wait for their answer")
    max_jobs: PositiveInt = Field(16, description="maximum recordings of one token that wait or are in work")
