"""Callbacks of Agora and TRTC. Their shapes are those of the vendors' documentation; no vendor's server was asked.

- Agora: docs.agora.io, "Channel event types" and "Signature verification"
- TRTC: trtc.io/document/39558 (rooms and media) and 54912 (signature), and
  tencentcloud.com/document/product/647/73394 (group 11)
"""

import hmac
import json
from base64 import b64encode
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.errors import InputError
from pipeline.connect.vendors.vendor_events import (
    REMEMBERED,
    AgoraNotices,
    EventKind,
    Notices,
    RoomEvent,
    TrtcCallbacks,
)

SECRET, APP = "secret", 1400000000


def agora(event: int, notice: str = "2000001428:4330:103", product: int = 1, **payload: Any) -> bytes:
    channel = {"channelName": "lounge", "ts": 1560396834, "platform": 1, "clientSeq": 1625051030746}
    told = {"noticeId": notice, "productId": product, "eventType": event, "notifyMs": 1611566412672, "sid": "A1"}
    return json.dumps(told | {"payload": channel | payload}).encode()


def read_agora(reader: AgoraNotices, body: bytes) -> RoomEvent | None:
    return reader.read(body, hmac.digest(SECRET.encode(), body, "sha256").hex())


def trtc(group: int, event: int, **info: Any) -> bytes:
    told = {"RoomId": 12345, "EventTs": 1687770731, "EventMsTs": 1687770731831, "UserId": "ben"}
    body = {"EventGroupId": group, "EventType": event, "CallbackTs": 1687770731932, "EventInfo": told | info}
    return json.dumps(body, indent="\t").encode()


def read_trtc(body: bytes, app: str = str(APP)) -> RoomEvent | None:
    sign = b64encode(hmac.digest(SECRET.encode(), body, "sha256")).decode()
    return TrtcCallbacks(APP, SECRET).read(body, sign, app)


def test_the_signature_of_agoras_own_example_is_accepted() -> None:
    """The example has an event that we do not know."""
    body = (
        b'{"eventMs":1560408533119,"eventType":10,"noticeId":"4eb720f0-8da7-11e9-a43e-53f411c2761f",'
        b'"notifyMs":1560408533119,"payload":{"a":"1","b":2},"productId":1}'
    )
    signature = "6d3320c60b11101395b7fc8f9068748808a0aa1bfa064438e39d1bc2c7d74d99"
    assert AgoraNotices("secret").read(body, signature) is None
    with pytest.raises(InputError, match="signature"):
        AgoraNotices("secret").read(body + b" ", signature)


@pytest.mark.parametrize(
    ("event", "kind", "speaker"),
    [
        (101, "room_opened", None), (102, "room_closed", None), (103, "joined", "12121212"), (104, "left", "12121212"),
        (105, "joined", "12121212"), (106, "left", "12121212"),
    ],
)  # fmt: skip
def test_channel_events_of_agora_are_read(event: int, kind: EventKind, speaker: str | None) -> None:
    found = read_agora(AgoraNotices(SECRET), agora(event, uid=12121212))
    assert found == RoomEvent(kind=kind, room="lounge", speaker=speaker)
    assert found.is_over == (kind in {"left", "room_closed"})


def test_a_notice_that_comes_again_is_no_event() -> None:
    """A retry has another notifyMs, and the same noticeId."""
    reader = AgoraNotices(SECRET)
    assert read_agora(reader, agora(103, uid=1))
    assert read_agora(reader, agora(103, uid=1).replace(b"1611566412672", b"1611566419999")) is None
    assert read_agora(reader, agora(103, "another", uid=1))


def test_other_products_and_events_of_agora_are_no_event() -> None:
    reader = AgoraNotices(SECRET)
    assert read_agora(reader, agora(103, product=3, uid=1)) is None
    assert read_agora(reader, agora(111, uid=1)) is None


def test_remembered_notices_are_bounded() -> None:
    notices = Notices()
    assert all(notices.is_new(str(number)) for number in range(REMEMBERED + 1))
    assert not notices.is_new("1")
    assert notices.is_new("0")


@pytest.mark.parametrize(
    ("group", "event", "kind", "speaker"),
    [
        (1, 101, "room_opened", None), (1, 102, "room_closed", None),
        (1, 103, "joined", "ben"), (1, 104, "left", "ben"), (2, 203, "joined", "ben"), (2, 204, "left", "ben"),
    ],
)  # fmt: skip
def test_room_and_media_events_of_trtc_are_read(group: int, event: int, kind: EventKind, speaker: str | None) -> None:
    assert read_trtc(trtc(group, event)) == RoomEvent(kind=kind, room="12345", speaker=speaker)
    assert read_trtc(trtc(group, event, RoomId="大厅")) == RoomEvent(kind=kind, room="大厅", speaker=speaker)


@pytest.mark.parametrize("event", range(1101, 1107))
def test_tencents_own_moderation_names_no_speaker_and_is_no_event(event: int) -> None:
    """Its UserId is that of the robot."""
    body = trtc(11, event, UserId="robot", TaskId="t", Payload={"Status": 0})
    assert read_trtc(body) is None


def test_another_app_and_another_key_are_refused() -> None:
    body = trtc(1, 103)
    with pytest.raises(InputError, match="SdkAppId"):
        read_trtc(body, "1")
    with pytest.raises(InputError, match="signature"):
        TrtcCallbacks(APP, SECRET).read(body, "é", str(APP))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from([1, 2, 11, 101, 103, 203, "a"]),
    lambda each: (
        st.lists(each, max_size=3)
        | st.dictionaries(st.text(max_size=5), each, max_size=3)
        | st.fixed_dictionaries({}, optional=dict.fromkeys(("channelName", "uid", "RoomId", "UserId"), each))
    ),
    max_leaves=5,
)
FIELDS = ("noticeId", "productId", "eventType", "payload", "EventGroupId", "EventType", "EventInfo")
BODIES = st.binary(max_size=60) | st.fixed_dictionaries(dict.fromkeys(FIELDS, JSON)).map(
    lambda each: json.dumps(each).encode()
)


@given(BODIES)
def test_any_signed_body_is_an_event_or_an_input_error(body: bytes) -> None:
    for read in (partial(read_agora, AgoraNotices(SECRET)), read_trtc):
        try:
            event = read(body)
        except InputError:
            continue
        assert event is None or event.room is not None
