"""Ids are stable for ever; fields refuse what no later stage could use."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.messages import SAMPLE_RATE, AudioChunk, Decision, Flag, Name, Transcript, Utterance, derive_id, sample_of
from tests.pipeline.strategies import messages

CHUNK: dict[str, Any] = {"room": "lobby", "speaker": "alice", "start": 1_700_000_000.25, "sequence": 0}


def chunk(**changes: Any) -> AudioChunk:
    return msgspec.convert(CHUNK | changes, AudioChunk)


def test_the_id_of_the_same_speech_never_changes() -> None:
    """Pinned: a change would store every case of a replayed log twice."""
    assert derive_id("segment", chunk()) == "c49dc4cb-15ba-5ee8-80aa-e38777b9add6"
    assert derive_id("judge", chunk(room="聊天室"), "default@1a2b3c4d") == "d7b2e6d4-d831-54b1-a386-a5b6ff72ca84"


@pytest.mark.parametrize(
    "other", [{"room": "lobby2"}, {"speaker": "bob"}, {"start": CHUNK["start"] + 1 / SAMPLE_RATE}], ids=str
)
def test_other_speech_has_another_id(other: dict[str, Any]) -> None:
    assert derive_id("segment", chunk(**other)) != derive_id("segment", chunk())


def test_stage_and_version_are_part_of_the_id() -> None:
    ids = {derive_id(stage, chunk(), version) for stage in ("segment", "judge") for version in ("", "a", "b")}
    assert len(ids) == 6


@given(st.floats(0, 4_000_000_000), st.integers(0, 10_000_000))
def test_ids_survive_the_float_noise_of_adding_up_times(start: float, samples: int) -> None:
    at_once = start + samples / SAMPLE_RATE
    in_steps = start + (samples // 2) / SAMPLE_RATE + (samples - samples // 2) / SAMPLE_RATE
    assert abs(sample_of(at_once) - sample_of(in_steps)) <= 1
    first = round(start)
    assert sample_of(first + samples / SAMPLE_RATE) == first * SAMPLE_RATE + samples


@given(messages(AudioChunk), messages(AudioChunk))
def test_two_places_share_an_id_only_if_they_are_one(one: AudioChunk, other: AudioChunk) -> None:
    def place(message: AudioChunk) -> tuple[str, str, int]:
        return message.room, message.speaker, sample_of(message.start)

    assert (derive_id("x", one) == derive_id("x", other)) == (place(one) == place(other))


@pytest.mark.parametrize("name", ["", "a\n", "a\x1fb", "\x7f", "x" * 257])
def test_a_name_that_could_blur_an_id_is_refused(name: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(name, Name)


@pytest.mark.parametrize("name", ["a", "聊天室 7", "x" * 256, "🎤/../%2F"])
def test_any_printable_name_is_taken(name: str) -> None:
    assert msgspec.convert(name, Name) == name


@pytest.mark.parametrize(
    "wrong",
    [
        {"start": float("nan")},
        {"start": float("inf")},
        {"start": -1.0},
        {"start": 1e18},
        {"sequence": -1},
        {"codec": "mp3"},
        {"sample_rate": 7_999},
        {"channels": 0},
    ],
    ids=str,
)
def test_a_chunk_with_a_useless_field_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        chunk(**wrong)


@pytest.mark.parametrize("kind", [AudioChunk, Utterance, Transcript, Flag, Decision])
@given(data=st.data())
def test_every_message_survives_json(kind: type[msgspec.Struct], data: st.DataObject) -> None:
    message = data.draw(messages(kind))
    assert msgspec.json.decode(msgspec.json.encode(message), type=kind) == message
