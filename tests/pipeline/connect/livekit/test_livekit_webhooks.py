"""Webhooks: what LiveKit signed is taken as a hint, and everything else is refused."""

import json
import time
from base64 import b64encode
from hashlib import sha256
from typing import Any

import aiohttp
import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.errors import DependencyError
from pipeline.base.metrics import Metrics
from pipeline.connect.livekit.livekit_webhooks import (
    CONTENT_TYPE,
    MOST_BYTES,
    RefusedError,
    Signature,
    read_webhook,
    receiving,
)

SECRET = "a secret of thirty-two bytes or more"  # noqa: S105
SIGNATURE = Signature("key", SECRET)
BODY = json.dumps({"event": "track_published", "id": "EV_1", "room": {"name": "lobby", "sid": "RM_1"}}).encode()


def token(body: bytes = BODY, secret: str = SECRET, **changes: Any) -> str:
    now = int(time.time())
    claims = {"iss": "key", "nbf": now, "exp": now + 300, "sha256": b64encode(sha256(body).digest()).decode()}
    return jwt.encode({key: value for key, value in (claims | changes).items() if value is not None}, secret, "HS256")


def refusal(content_type: str = CONTENT_TYPE, authorization: str | None = None, body: bytes = BODY) -> int:
    with pytest.raises(RefusedError) as caught:
        read_webhook(SIGNATURE, content_type, token(body) if authorization is None else authorization, body)
    return caught.value.status


def test_a_signed_webhook_names_a_room() -> None:
    found = read_webhook(SIGNATURE, CONTENT_TYPE, token(), BODY)
    assert found.event == "track_published"
    assert found.room
    assert found.room.name == "lobby"


def test_an_event_without_a_room_is_taken() -> None:
    body = b'{"event": "egress_started", "egressInfo": {"roomName": "lobby"}}'
    assert read_webhook(SIGNATURE, CONTENT_TYPE, token(body), body).room is None


@pytest.mark.parametrize(
    "bad",
    [
        token(secret=SECRET + "!"),
        token(BODY + b" "),
        token(iss="other"),
        token(iss=None),
        token(exp=int(time.time()) - 3_600),
        token(exp=None),
        token(nbf=int(time.time()) + 3_600),
        token(sha256=None),
        token(sha256="?"),
        token(sha256=7),
        "Bearer " + token(),
        jwt.encode({"iss": "key", "exp": 2**33, "sha256": ""}, "", "none"),
        "",
    ],
)
def test_a_wrong_signature_is_refused(bad: str) -> None:
    assert refusal(authorization=bad) == 401


def test_the_content_type_and_the_form_are_checked() -> None:
    assert refusal("application/json") == 415
    assert refusal(body=b"[]") == 400
    assert refusal(body=b"\xff") == 400
    assert refusal(body=b'{"x":' + b"[" * 100_000) == 400
    assert refusal(body=b'{"event": "x", "room": {"name": 7}}') == 400


@given(st.binary(max_size=200), st.text(max_size=200), st.text(max_size=40))
def test_any_bytes_are_refused_without_another_error(body: bytes, authorization: str, content_type: str) -> None:
    refusal(content_type, authorization, body)


@given(st.binary(max_size=200))
def test_signed_bytes_that_are_no_event_are_refused(body: bytes) -> None:
    assert refusal(body=body) == 400


async def test_the_receiver_answers_counts_and_hints() -> None:
    metrics, hints = Metrics(), list[str]()
    headers = {"Content-Type": CONTENT_TYPE, "Authorization": token()}
    async with receiving("127.0.0.1", 0, SIGNATURE, hints.append, metrics) as url, aiohttp.ClientSession() as app:
        async with app.post(url, data=BODY, headers=headers) as answer:
            assert answer.status == 200
        async with app.post(url, data=BODY, headers=headers | {"Authorization": "x"}) as answer:
            assert answer.status == 401
        async with app.post(url, data=bytes(MOST_BYTES + 1), headers=headers) as answer:
            assert answer.status == 413
    assert hints == ["lobby"]
    value = metrics.registry.get_sample_value
    assert value("voxwarden_livekit_webhooks_total", {"result": "accepted"}) == 1
    assert value("voxwarden_livekit_webhooks_total", {"result": "refused"}) == 1


async def test_a_port_in_use_is_named() -> None:
    async with receiving("127.0.0.1", 0, SIGNATURE, print, Metrics()) as url:
        port = int(url.rsplit(":", 1)[1].split("/")[0])
        with pytest.raises(DependencyError, match=f"127.0.0.1:{port}"):
            async with receiving("127.0.0.1", port, SIGNATURE, print, Metrics()):
                pass
