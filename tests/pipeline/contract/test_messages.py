"""Ids never change, and fields refuse values that no later stage could use."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.contract.messages import (
    SAMPLE_RATE,
    AudioChunk,
    Decision,
    Flag,
    Name,
    Transcript,
    Utterance,
    derive_id,
    flag_id,
    sample_of,
)
from tests.builders import transcript
from tests.pipeline.strategies import messages

SPEECH: dict[str, Any] = {
    "room": "lobby", "speaker": "alice", "start": 1_700_000_000.25, "end": 1_700_000_004.5, "id": ""
}  # fmt: skip


def speech(**changes: Any) -> Utterance:
    return msgspec.convert(SPEECH | changes, Utterance)


def test_the_id_of_the_same_speech_never_changes() -> None:
    """The ids are fixed here. After a change, a replay of the log would store every case twice."""
    assert derive_id("segment", speech()) == "8efe4937-2a6b-55f4-ab6b-5c0cac400e06"
    assert derive_id("judge", speech(room="聊天室"), "default@1a2b3c4d") == "ee15ffa3-2e1b-5cb5-a1c0-7f012e1975e9"


def test_the_words_so_far_and_the_whole_utterance_have_one_flag() -> None:
    said = transcript(start=100.0, end=112.0)
    ids = {flag_id(replace(said, end=end), "default@1") for end in (103.0, 106.1, 112.0)}
    assert len(ids) == 1
    short = replace(said, end=102.9)
    assert flag_id(short, "default@1") == derive_id("judge", short, "default@1"), "short speech keeps its id"
    assert len({*ids, flag_id(short, "default@1"), flag_id(said, "default@2")}) == 3


@pytest.mark.parametrize(
    "other",
    [{"room": "lobby2"}, {"speaker": "bob"}, {"start": SPEECH["start"] + 1 / SAMPLE_RATE}, {"end": SPEECH["end"] + 1}],
    ids=str,
)
def test_different_speech_has_a_different_id(other: dict[str, Any]) -> None:
    assert derive_id("segment", speech(**other)) != derive_id("segment", speech())


def test_stage_and_version_are_part_of_the_id() -> None:
    ids = {derive_id(stage, speech(), version) for stage in ("segment", "judge") for version in ("", "a", "b")}
    assert len(ids) == 6


@given(st.floats(0, 4_000_000_000), st.integers(0, 10_000_000))
def test_rounding_errors_of_times_do_not_change_an_id(start: float, samples: int) -> None:
    at_once = start + samples / SAMPLE_RATE
    in_steps = start + (samples // 2) / SAMPLE_RATE + (samples - samples // 2) / SAMPLE_RATE
    assert abs(sample_of(at_once) - sample_of(in_steps)) <= 1
    first = round(start)
    assert sample_of(first + samples / SAMPLE_RATE) == first * SAMPLE_RATE + samples


@given(messages(Utterance), messages(Utterance))
def test_two_utterances_have_the_same_id_only_if_their_samples_are_the_same(one: Utterance, other: Utterance) -> None:
    def place(message: Utterance) -> tuple[str, str, int, int]:
        return message.room, message.speaker, sample_of(message.start), sample_of(message.end)

    assert (derive_id("x", one) == derive_id("x", other)) == (place(one) == place(other))


@pytest.mark.parametrize("name", ["", "a\n", "a\x1fb", "\x7f", "x" * 257])
def test_a_name_with_a_control_character_is_refused(name: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(name, Name)


@pytest.mark.parametrize("name", ["a", "聊天室 7", "x" * 256, "🎤/../%2F"])
def test_any_printable_name_is_accepted(name: str) -> None:
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
def test_a_chunk_with_an_invalid_field_is_refused(wrong: dict[str, Any]) -> None:
    chunk = {"room": "lobby", "speaker": "alice", "start": 1.0, "sequence": 0}
    assert msgspec.convert(chunk, AudioChunk).sequence == 0
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(chunk | wrong, AudioChunk)


@pytest.mark.parametrize("kind", [AudioChunk, Utterance, Transcript, Flag, Decision])
@given(data=st.data())
def test_every_message_survives_a_json_round_trip(kind: type[msgspec.Struct], data: st.DataObject) -> None:
    message = data.draw(messages(kind))
    assert msgspec.json.decode(msgspec.json.encode(message), type=kind) == message
