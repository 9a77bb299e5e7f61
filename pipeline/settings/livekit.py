"""Settings of the bot in LiveKit rooms."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, SecretStr, StringConstraints, model_validator

from pipeline.contract.messages import Action
from pipeline.settings.section import Section
from pipeline.settings.token import Token

SHORTEST_SECRET = 32
"""Minimum length of LiveKit's secret in bytes: HMAC-SHA256 needs a key as long as its result."""

Word = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class ActionRule(Section):
    """An action without a person: on each flag that is at least as severe as `suggestion`."""

    suggestion: Literal["review", "block"] = Field("block", description="the lowest suggestion on which the rule acts")
    labels: tuple[Word, ...] = Field((), description="labels of which the flag must have one; empty: any label")
    action: Action = Field(description="warn, mute, remove or close_room")


class LiveKitSettings(Section):
    """The bot that listens in LiveKit rooms and carries out actions there."""

    url: str = Field("ws://127.0.0.1:7880", pattern="^(ws|http)s?://", description="URL of the LiveKit server")
    api_key: str = Field("", description="API key of the LiveKit server")
    api_secret: SecretStr | None = Field(
        None, description="secret of the API key, 32 bytes or more; set it in the environment"
    )
    rooms: tuple[Word, ...] = Field(("*",), description="patterns of the names of rooms to listen in, e.g. game-*")
    room_type: Word = Field("default", description="room type of these rooms, for the policy")
    gateway_url: str = Field(
        "ws://127.0.0.1:8765", pattern="^wss?://", description="URL of the gateway that takes the audio"
    )
    gateway_token: Token | None = Field(
        None, description="token for the gateway; unset: the first one of gateway.tokens"
    )
    members: tuple[Word, ...] = Field(
        (), description="names of all processes that share the rooms, the same list in each; empty: one process"
    )
    name: str = Field("", description="name of this process in livekit.members")
    sweep_seconds: PositiveFloat = Field(
        30.0, le=300, description="seconds between two comparisons with the server's list of rooms and tracks"
    )
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
    late_seconds: PositiveFloat = Field(
        60.0, le=86_400, description="seconds in which an action is tried; after them it counts as failed"
    )
    poll_seconds: PositiveFloat = Field(0.25, description="seconds between two reads of decisions and flags")

    @model_validator(mode="after")
    def _check(self) -> "LiveKitSettings":
        if self.members and self.name not in self.members:
            raise ValueError(f"livekit.name is {self.name or 'empty'}, but must be one of livekit.members")
        secret = self.api_secret.get_secret_value() if self.api_secret else ""
        if secret and len(secret.encode()) < SHORTEST_SECRET:
            raise ValueError(f"livekit.api_secret is shorter than {SHORTEST_SECRET} bytes; LiveKit asks for 32, too")
        return self
