"""The LiveKit server's API: its keys, the tokens that are made from them, and the four actions in a room."""

import hmac
from collections.abc import Awaitable
from datetime import timedelta
from hashlib import sha256
from typing import Any, TypeVar

import aiohttp
import msgspec
from google.protobuf.json_format import MessageToDict, ParseDict
from livekit import api

from pipeline.base.errors import ConfigError
from pipeline.settings import LiveKitSettings

T = TypeVar("T")

TOKEN_HOURS = 24
"""Validity of a token. Each join makes a new one."""

TOPIC = "moderation"
"""Topic of the data messages for the app in the speaker's browser or phone."""

ServerFault = (api.TwirpError, aiohttp.ClientError, TimeoutError)
"""What a call of the server's API raises."""


def secret_of(settings: LiveKitSettings) -> str:
    """The API secret. Raises ConfigError if the key or the secret is not set."""
    secret = settings.api_secret.get_secret_value() if settings.api_secret else ""
    if not settings.api_key or not secret:
        raise ConfigError(
            "livekit.api_key and livekit.api_secret are not set",
            "Set VOXWARDEN_LIVEKIT__API_KEY and VOXWARDEN_LIVEKIT__API_SECRET to a pair of the server's `keys`.",
        )
    return secret


def bot_identity(settings: LiveKitSettings) -> str:
    """Identity of the bot in every room. A newer bot replaces an older one of the same identity, so there is only one.

    It follows from the secret: somebody who could guess it would replace the bot.
    """
    return f"voxwarden-{hmac.new(secret_of(settings).encode(), b'bot', sha256).hexdigest()[:16]}"


def bot_token(settings: LiveKitSettings, room: str) -> str:
    """A token with which the bot joins `room`: hidden, and with no right but to listen."""
    grants = api.VideoGrants(
        room_join=True, room=room, hidden=True, can_subscribe=True, can_publish=False, can_publish_data=False
    )
    # LiveKit closes a room in which only agents are left. A participant of another kind would keep it open.
    token = api.AccessToken(settings.api_key, secret_of(settings)).with_identity(bot_identity(settings))
    return token.with_kind("agent").with_grants(grants).with_ttl(timedelta(hours=TOKEN_HOURS)).to_jwt()


def client(settings: LiveKitSettings) -> api.LiveKitAPI:
    """A client of the server's API. It needs a running event loop; close it with `aclose`."""
    return api.LiveKitAPI(settings.url, settings.api_key, secret_of(settings))


class AbsentError(Exception):
    """The speaker is not in the room, or the room does not exist."""


class Moderation:
    """Acts in rooms. Every method raises AbsentError, or what a call of the API raises."""

    def __init__(self, service: api.room_service.RoomService) -> None:
        self._service = service

    async def warn(self, room: str, speaker: str, notice: dict[str, Any]) -> None:
        """Send `notice` as JSON to the speaker; to the whole room if `speaker` is empty."""
        if speaker:  # raises AbsentError: the server accepts a message to a participant who is not there
            await self._participant(room, speaker)
        data = api.SendDataRequest(
            room=room,
            data=msgspec.json.encode(notice),
            kind=api.DataPacket.Kind.RELIABLE,
            topic=TOPIC,
            destination_identities=[speaker] if speaker else [],
        )
        await _called(self._service.send_data(data))

    async def rights(self, room: str, speaker: str) -> dict[str, Any] | None:
        """The permission to give back after a mute; None if the speaker may not publish."""
        held = (await self._participant(room, speaker)).permission
        return MessageToDict(held, preserving_proto_field_name=True) if held.can_publish else None

    async def mute(self, room: str, speaker: str) -> None:
        """Take the right to publish."""
        # A mute of the track would not hold: the speaker's own client may undo it.
        held = (await self._participant(room, speaker)).permission
        held.can_publish = False
        held.ClearField("can_publish_sources")  # a list of sources would override it
        await self._permit(room, speaker, held)

    async def unmute(self, room: str, speaker: str, given: dict[str, Any]) -> None:
        """Give back the right to publish, as it was in `given`. Other rights stay as they are now."""
        # An update replaces the whole permission, so begin with the present one: the app may have changed it.
        now, before = (await self._participant(room, speaker)).permission, ParseDict(given, api.ParticipantPermission())
        if now.can_publish:  # the app has given the right back itself
            return
        now.can_publish = True
        now.can_publish_sources.extend(before.can_publish_sources)
        await self._permit(room, speaker, now)

    async def remove(self, room: str, speaker: str) -> None:
        """Remove the speaker. A valid token lets them in again."""
        await _called(self._service.remove_participant(api.RoomParticipantIdentity(room=room, identity=speaker)))

    async def close(self, room: str) -> None:
        """Close the room for everybody."""
        await _called(self._service.delete_room(api.DeleteRoomRequest(room=room)))

    async def _participant(self, room: str, speaker: str) -> api.ParticipantInfo:
        return await _called(self._service.get_participant(api.RoomParticipantIdentity(room=room, identity=speaker)))

    async def _permit(self, room: str, speaker: str, permission: api.ParticipantPermission) -> None:
        update = api.UpdateParticipantRequest(room=room, identity=speaker, permission=permission)
        await _called(self._service.update_participant(update))


async def _called(call: Awaitable[T]) -> T:
    try:
        return await call
    except api.TwirpError as error:
        if error.code == api.TwirpErrorCode.NOT_FOUND:
            raise AbsentError from error
        raise
