"""The keys of the LiveKit server, and the tokens that are made from them."""

from datetime import timedelta

import aiohttp
from livekit import api

from pipeline.base.errors import ConfigError
from pipeline.settings import LiveKitSettings

BOT = "voxwarden"
"""Identity of the bot in every room. A newer bot replaces an older one of the same identity, so there is only one."""
TOKEN_HOURS = 24
"""Validity of a token. Each join makes a new one."""

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


def bot_token(settings: LiveKitSettings, room: str) -> str:
    """A token with which the bot joins `room`: hidden, and with no right but to listen."""
    grants = api.VideoGrants(
        room_join=True, room=room, hidden=True, can_subscribe=True, can_publish=False, can_publish_data=False
    )
    # LiveKit closes a room in which only agents are left. A participant of another kind would keep it open.
    token = api.AccessToken(settings.api_key, secret_of(settings)).with_identity(BOT).with_kind("agent")
    return token.with_grants(grants).with_ttl(timedelta(hours=TOKEN_HOURS)).to_jwt()


def client(settings: LiveKitSettings) -> api.LiveKitAPI:
    """A client of the server's API. It needs a running event loop; close it with `aclose`."""
    return api.LiveKitAPI(settings.url, settings.api_key, secret_of(settings))
