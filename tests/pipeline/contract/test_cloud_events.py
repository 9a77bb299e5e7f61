"""An encoded message decodes to the same message. Any other record is refused with a clear error of one line."""

from typing import Any
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.base.errors import BadMessage
from pipeline.contract.cloud_events import Headers, decode_event, encode_event, header_of, keys_of, record_key, type_of
from pipeline.contract.messages import AudioChunk, EarlyUtterance, Flag, Message, Transcript, Utterance
from pipeline.contract.speech_status import status_of
from tests.builders import flag, transcript, utterance
from tests.pipeline.strategies import messages

ON_KAFKA: list[type[Message]] = [AudioChunk, Utterance, EarlyUtterance, Transcript, Flag]
CHUNK = AudioChunk(room="聊天室", speaker="ü", start=1_700_000_000.1, sequence=7, final=True, data=b"\0\1")

HEADER_NAMES = st.sampled_from(
    ["ce_type", "ce_specversion", "content-type", *(header_of(f) for kind in ON_KAFKA for f in kind.__struct_fields__)]
)
VALUES = st.none() | st.binary(max_size=40) | st.sampled_from([b"nan", b"inf", b"-1", b"1e400", b"true", b"9" * 5_000])


def headers_of(message: Message) -> dict[str, bytes | None]:
    return dict(encode_event(message, "test").headers)


@pytest.mark.parametrize("kind", ON_KAFKA)
@given(data=st.data())
def test_round_trip(kind: type[Message], data: st.DataObject) -> None:
    message = data.draw(messages(kind))
    event = encode_event(message, "test")
    there = decode_event(kind, event.value, event.headers)
    # The address is not encoded with the audio: it is the position of the record itself.
    expected = {"address": None} if issubclass(kind, Utterance | EarlyUtterance) else {}
    assert there == type(message)(**{f: getattr(message, f) for f in kind.__struct_fields__} | expected)
    assert event.key.decode() == message.room


def test_audio_is_sent_as_raw_bytes_with_its_fields_in_headers() -> None:
    event = encode_event(CHUNK, "gateway")
    assert event.value == b"\0\1"
    headers = {name: value.decode() for name, value in event.headers}
    identity = headers.pop("ce_id")
    assert headers == {
        "ce_specversion": "1.0",
        "ce_source": "/voxwarden/gateway",
        "ce_type": "voxwarden.audiochunk.v1",
        "ce_room": "聊天室",
        "ce_speaker": "ü",
        "ce_start": "1700000000.1",
        "ce_sequence": "7",
        "ce_final": "true",
    }
    assert identity == dict(encode_event(CHUNK, "gateway").headers)["ce_id"].decode()


def test_an_utterance_has_headers_for_time_and_content_type() -> None:
    headers = headers_of(utterance("1", 1_700_000_000.1, 1_700_000_001.0))
    assert headers["ce_time"] == b"2023-11-14T22:13:20.100000+00:00"
    assert headers["content-type"] == b"audio/flac"


def test_each_chunk_has_its_own_id() -> None:
    others: list[dict[str, Any]] = [{"room": "b"}, {"speaker": "b"}, {"start": 2.0}, {"sequence": 8}]
    chunks = [CHUNK, *(replace(CHUNK, **other) for other in others)]
    assert len({headers_of(chunk)["ce_id"] for chunk in chunks}) == len(chunks)


def test_header_names_are_cloudevents_names() -> None:
    for kind in (AudioChunk, Utterance, EarlyUtterance):
        names = [header_of(field) for field in kind.__struct_fields__]
        assert len(set(names)) == len(names)
        assert all(name.removeprefix("ce_").isalnum() and name.islower() for name in names)


@pytest.mark.parametrize("kind", ON_KAFKA)
@given(data=st.data())
def test_any_bytes_give_a_message_or_a_bad_message(kind: type[Message], data: st.DataObject) -> None:
    """The record is a valid one with some headers and the value replaced, or it is random."""
    good = encode_event(data.draw(messages(kind)), "test")
    headers = list(good.headers) if data.draw(st.booleans()) else [("ce_type", type_of(kind).encode())]
    noise: Headers = data.draw(st.lists(st.tuples(HEADER_NAMES, VALUES), max_size=4))
    value = data.draw(st.none() | st.binary(max_size=64) | st.just(good.value))
    try:
        message = decode_event(kind, value, [*headers, *noise])
    except BadMessage:
        return
    assert decode_event(kind, *_written(message)) == message


def _written(message: Message) -> tuple[bytes, Headers]:
    event = encode_event(message, "test")
    return event.value, event.headers


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({}, "no ce_type header"),
        ({"ce_type": b"voxwarden.audiochunk.v2"}, "voxwarden.audiochunk.v2 instead of voxwarden.audiochunk.v1"),
        ({"ce_type": b"\xff"}, "not UTF-8"),
        ({"ce_type": b"x" * 10_000}, "type " + "x" * 64 + " instead of"),
        ({"ce_type": b"voxwarden.audiochunk.v1"}, "missing required field `room`"),
        (headers_of(CHUNK) | {"ce_codec": b"mp3"}, "Invalid enum value 'mp3' - at `$.codec`"),
        (headers_of(CHUNK) | {"ce_start": b"nan"}, "`$.start`"),
        (headers_of(CHUNK) | {"ce_start": None}, "`$.start`"),
        (headers_of(CHUNK) | {"ce_room": b""}, "`$.room`"),
    ],
)
def test_the_error_says_what_is_wrong_with_a_chunk(headers: dict[str, bytes | None], said: str) -> None:
    with pytest.raises(BadMessage) as caught:
        decode_event(AudioChunk, b"\0\0", list(headers.items()))
    assert said in str(caught.value)
    assert "docs/contract.md" in str(caught.value) or "UTF-8" in str(caught.value)


@pytest.mark.parametrize("value", [None, b"", b"null", b"{}", b"\xff", b'{"x":' + b"[" * 200_000])
def test_an_invalid_flag_is_refused(value: bytes | None) -> None:
    """This includes deep nesting: a RecursionError must not stop the worker."""
    with pytest.raises(BadMessage):
        decode_event(Flag, value, [("ce_type", type_of(Flag).encode())])


@pytest.mark.parametrize(
    "wrong", [{"start": float("nan")}, {"start": float("inf")}, {"start": -1.0}, {"start": 1e18}, {"room": "\ud800"}]
)
def test_a_message_that_could_not_be_decoded_is_not_encoded(wrong: dict[str, Any]) -> None:
    fields = {field: getattr(CHUNK, field) for field in CHUNK.__struct_fields__} | wrong
    with pytest.raises(BadMessage, match="cannot be encoded"):
        encode_event(AudioChunk(**fields), "test")


def test_an_unknown_field_of_a_later_minor_version_is_ignored() -> None:
    event = encode_event(CHUNK, "test")
    assert (
        decode_event(AudioChunk, event.value, [*event.headers, ("ce_loudness", b"3"), ("traceparent", b"00-1")])
        == CHUNK
    )


SPEAKERS = [f"speaker-{number}" for number in range(200)]


def chunk(speaker: str, room: str = "lobby") -> AudioChunk:
    return AudioChunk(room=room, speaker=speaker, start=0.0, sequence=0)


@pytest.mark.parametrize("message", [chunk("ann"), utterance(room="lobby"), transcript(), flag(room="lobby")])
def test_with_one_shard_the_room_is_the_key(message: Message) -> None:
    assert record_key(message, 1) == b"lobby"


def test_audio_utterances_and_transcripts_of_a_speaker_share_a_key() -> None:
    for speaker in SPEAKERS:
        early = EarlyUtterance(room="lobby", speaker=speaker, start=0.0, id="1", end=1.0)
        messages = (chunk(speaker), utterance(room="lobby", speaker=speaker), early, transcript(speaker=speaker))
        assert len({record_key(message, 8) for message in messages}) == 1


def test_flags_and_statuses_keep_the_order_of_the_room() -> None:
    statuses = [status_of(utterance(room="lobby", speaker=speaker), "segmented") for speaker in SPEAKERS]
    assert {record_key(message, 8) for message in statuses} == {b"lobby"}
    assert {record_key(flag(room="lobby", speaker=speaker), 8) for speaker in SPEAKERS} == {b"lobby"}


def test_every_shard_has_speakers_and_a_key_of_its_own() -> None:
    assert len(keys_of("lobby", 8)) == 8
    assert {record_key(chunk(speaker), 8) for speaker in SPEAKERS} == set(keys_of("lobby", 8))


def test_the_key_is_the_one_of_the_contract() -> None:
    """Apps compute it: docs/contract.md."""
    number = crc32("安".encode()) % 8
    assert number
    assert record_key(chunk("安", "大厅"), 8) == f"大厅#{number}".encode()


def test_shards_of_rooms_with_similar_names_may_share_a_key_but_never_lose_a_room() -> None:
    assert keys_of("lobby#1", 1) == [b"lobby#1"] == keys_of("lobby", 2)[1:]
