"""The events of rooms in the callbacks of Agora and Tencent TRTC. Each reader checks the signature first."""

import hmac
from base64 import b64encode
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from pipeline.base.errors import InputError
from pipeline.base.json_reading import read_json
from pipeline.base.recent_dict import RecentDict

REMEMBERED = 10_000
"""Ids of notices that are remembered, to find repeated ones. The number limits the memory."""

EventKind = Literal["room_opened", "room_closed", "joined", "left"]

T = TypeVar("T")


class RoomEvent(Struct, frozen=True, kw_only=True):
    """An event in a room. `speaker` is None for an event of the whole room."""

    kind: EventKind
    room: str
    speaker: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether the speaker, or the whole room, will not be heard any more."""
        return self.kind in {"left", "room_closed"}


class Notices:
    """Finds notices that come again: Agora sends one until it gets an answer."""

    def __init__(self) -> None:
        self._seen = RecentDict[str, None](REMEMBERED)

    def is_new(self, notice: str) -> bool:
        """Whether this id has not come before."""
        if notice in self._seen:
            return False
        self._seen[notice] = None
        return True


class _AgoraPayload(Struct, rename="camel"):
    channel_name: str
    uid: int | None = None


class _AgoraNotice(Struct, rename="camel"):
    notice_id: Annotated[str, Meta(min_length=1, max_length=256)]
    product_id: int
    event_type: int
    payload: msgspec.Raw


AGORA_RTC = 1
"""The product of channel events."""
AGORA_EVENTS: dict[int, EventKind] = {
    101: "room_opened",
    102: "room_closed",
    103: "joined",
    104: "left",
    105: "joined",
    106: "left",
}


class AgoraNotices:
    """Reads Agora's notifications. `secret` is the secret of Agora's notification service."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._notices = Notices()

    def read(self, body: bytes, signature: str) -> RoomEvent | None:
        """Read a notification; `signature` is the header Agora-Signature-V2.

        Returns None for one that comes again or tells of something else. Raises InputError if the signature or the body
        is wrong.
        """
        # Agora-Signature, without V2, uses SHA-1.
        _check(hmac.digest(self._secret, body, "sha256").hex(), signature)
        notice = _decoded(body, _AgoraNotice)
        kind = AGORA_EVENTS.get(notice.event_type) if notice.product_id == AGORA_RTC else None
        if kind is None or not self._notices.is_new(notice.notice_id):
            return None
        payload = _decoded(notice.payload, _AgoraPayload)
        speaker = str(payload.uid) if payload.uid is not None and kind in {"joined", "left"} else None
        return RoomEvent(kind=kind, room=payload.channel_name, speaker=speaker)


class _TrtcInfo(Struct, rename="pascal"):
    room_id: int | str  # TRTC has rooms with a number, and rooms with a text
    user_id: str | None = None


class _TrtcCallback(Struct, rename="pascal"):
    event_group_id: int
    event_type: int
    event_info: msgspec.Raw


TRTC_EVENTS: dict[tuple[int, int], EventKind] = {
    (1, 101): "room_opened",
    (1, 102): "room_closed",
    (1, 103): "joined",
    (1, 104): "left",
    (2, 203): "joined",
    (2, 204): "left",
}
"""Events by group and type. Group 11 is Tencent's own moderation. Its UserId names the robot that listens, not a
speaker, so it gives no event."""


class TrtcCallbacks:
    """Reads the callbacks of Tencent TRTC for the app `sdk_app_id`. `key` is the key of its callback settings."""

    def __init__(self, sdk_app_id: int, key: str) -> None:
        self._app = str(sdk_app_id)
        self._key = key.encode()

    def read(self, body: bytes, sign: str, sdk_app_id: str) -> RoomEvent | None:
        """Read a callback; the headers are Sign and SdkAppId. Returns None for an event that is not about speakers.

        A repeated callback gives the same event again. Raises InputError if a header or the body is wrong.
        """
        _check(b64encode(hmac.digest(self._key, body, "sha256")).decode(), sign)
        # The signature covers only the body, not this header.
        if sdk_app_id != self._app:
            raise InputError("A callback is of another SdkAppId")
        callback = _decoded(body, _TrtcCallback)
        kind = TRTC_EVENTS.get((callback.event_group_id, callback.event_type))
        if kind is None:
            return None
        info = _decoded(callback.event_info, _TrtcInfo)
        return RoomEvent(
            kind=kind, room=str(info.room_id), speaker=info.user_id if kind in {"joined", "left"} else None
        )


def _decoded(body: bytes | msgspec.Raw, kind: type[T]) -> T:
    try:
        return read_json(body, kind)
    except msgspec.DecodeError as error:
        raise InputError("A callback cannot be read") from error


def _check(ours: str, theirs: str) -> None:
    # A constant time, so that it does not tell how much of a forged signature is right. A header may hold any bytes.
    if not hmac.compare_digest(ours.encode(), theirs.encode(errors="surrogateescape")):
        raise InputError("A callback has a wrong signature", "Check its key.")
