"""Implicit labels in every container that providers use."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.errors import AudioError
from pipeline.sound.labelling.implicit_label import FIELDS as NAMES
from pipeline.sound.labelling.implicit_label import MAX_CHARACTERS, MAX_LABELS, MAX_SHOWN, labels_in, read_field
from tests.pipeline.sound.labelling.made import FIELD, FIELDS, chunk, recorded, with_chunk
from tests.pipeline.speech.audio.sound import silence

WAV = recorded(silence(0.5))


def found(tmp_path: Path, data: bytes) -> list[tuple[str, str]]:
    file = tmp_path / "recording"
    file.write_bytes(data)
    return [(label.place, label.state) for label in labels_in(file)]


@pytest.mark.parametrize(
    ("container", "codec", "rate"),
    [
        ("mp3", "libmp3lame", 16_000),
        ("flac", "flac", 16_000),
        ("ogg", "libopus", 48_000),
        ("webm", "libopus", 48_000),
        ("ipod", "aac", 16_000),
        ("mp4", "aac", 16_000),
        ("mov", "pcm_s16le", 16_000),
    ],
)
def test_the_tag_of_a_container_is_read(tmp_path: Path, container: str, codec: str, rate: int) -> None:
    plain = recorded(silence(0.5), container, codec, rate=rate)
    labelled = recorded(silence(0.5), container, codec, {"AIGC": FIELD}, rate)
    assert found(tmp_path, plain) == []
    assert found(tmp_path, labelled) == [("tag AIGC", "valid")]


def test_a_field_in_a_comment_is_read(tmp_path: Path) -> None:
    assert found(tmp_path, recorded(silence(0.5), tags={"comment": FIELD})) == [("tag comment", "valid")]
    assert found(tmp_path, recorded(silence(0.5), tags={"comment": "about AIGC"})) == []


def test_a_chunk_of_a_wav_file_is_read_with_its_texts(tmp_path: Path) -> None:
    file = tmp_path / "recording.wav"
    file.write_bytes(with_chunk(WAV, b"AIGC", FIELD.encode()))
    (label,) = labels_in(file)
    assert (label.place, label.state, label.fields) == ("chunk AIGC", "valid", FIELDS)


def test_the_list_of_a_wav_file_is_read(tmp_path: Path) -> None:
    content = b"INFO" + chunk(b"AIGC", FIELD.encode() + b"\0")
    assert found(tmp_path, with_chunk(WAV, b"LIST", content)) == [("tag AIGC", "valid")]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe{", b"x" * 5 * MAX_CHARACTERS])
def test_a_chunk_without_a_field_is_malformed(tmp_path: Path, content: bytes) -> None:
    assert found(tmp_path, with_chunk(WAV, b"AIGC", content)) == [("chunk AIGC", "malformed")]


def test_few_labels_of_a_file_are_read(tmp_path: Path) -> None:
    many = WAV
    for _ in range(MAX_LABELS + 5):
        many = with_chunk(many, b"AIGC", b"{}")
    assert len(found(tmp_path, many)) == MAX_LABELS


def test_a_length_beyond_the_end_of_the_file_ends_the_search(tmp_path: Path) -> None:
    broken = with_chunk(WAV, b"LIST", b"")[:-4] + b"\xff\xff\xff\x7f"
    assert found(tmp_path, broken) == []


def test_what_is_no_audio_is_an_error_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "notes.wav").write_text("no audio")
    with pytest.raises(AudioError, match="shown"):
        labels_in(tmp_path / "notes.wav", "shown")
    with pytest.raises(AudioError, match="There is no file"):
        labels_in(tmp_path / "gone.wav")


def read(content: Any) -> tuple[str, tuple[str, ...]]:
    found = read_field("tag AIGC", content if isinstance(content, str) else json.dumps(content))
    return found.state, found.problems


def without(*names: str) -> dict[str, str]:
    return {name: value for name, value in FIELDS.items() if name not in names}


def test_a_valid_field_has_its_texts() -> None:
    found = read_field("tag AIGC", FIELD)
    assert (found.place, found.state, found.fields, found.problems) == ("tag AIGC", "valid", FIELDS, ())


@pytest.mark.parametrize("content", [FIELDS, {"aigc": FIELDS}, {"AIGC": without("ReservedCode1", "ReservedCode2")}])
def test_other_wrappings_are_read_and_reserved_texts_may_be_missing(content: Any) -> None:
    assert read(content) == ("valid", ())


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (without("ProduceID"), "ProduceID is missing"),
        (FIELDS | {"ContentProducer": ""}, "ContentProducer is empty"),
        (FIELDS | {"Label": "4"}, "Label is none of 1, 2, 3"),
        (FIELDS | {"Label": 1}, "Label is not a text"),
        (FIELDS | {"ReservedCode2": ["x"]}, "ReservedCode2 is not a text"),
    ],
)
def test_what_lacks_is_named(content: dict[str, Any], problem: str) -> None:
    assert read({"AIGC": content}) == ("incomplete", (problem,))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "it is not JSON"),
        ("{", "it is not JSON"),
        (FIELD[:-3], "it is not JSON"),
        ("[" * MAX_CHARACTERS, "it is not JSON"),
        ('{"a":' * 1_600, "it is not JSON"),
        ("\ud800", "it is not JSON"),
        ("[]", "it is not a JSON object"),
        ('{"AIGC": 1}', "it is not a JSON object"),
        ("{}", f"it has none of the texts {', '.join(NAMES)}"),
        (FIELD + " " * MAX_CHARACTERS, f"it has {len(FIELD) + MAX_CHARACTERS:,} characters, more than 8,192"),
    ],
)
def test_what_is_no_field_is_malformed(content: str, problem: str) -> None:
    assert read(content) == ("malformed", (problem,))


def test_long_texts_are_cut() -> None:
    found = read_field("tag AIGC", json.dumps(FIELDS | {"ProduceID": "x" * 5_000}))
    assert found.fields["ProduceID"] == "x" * MAX_SHOWN


@given(st.text() | st.recursive(st.none() | st.booleans() | st.text(max_size=9), st.lists).map(json.dumps))
def test_any_text_gives_a_result(value: str) -> None:
    assert read_field("tag AIGC", value).problems


@given(st.dictionaries(st.sampled_from([*NAMES, "AIGC"]), st.none() | st.integers() | st.text(max_size=9)))
def test_any_object_gives_a_result(content: dict[str, Any]) -> None:
    found = read_field("tag AIGC", json.dumps(content))
    assert (found.state == "valid") == (not found.problems)
