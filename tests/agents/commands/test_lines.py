"""The keys and the units of the JSON lines that commands print."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from agents.commands.lines import error_line, file_line, text_line, utterance_line
from agents.commands.textlines import InputPlace
from pipeline.contract.messages import Flag
from pipeline.runner.recordings_runner import FileReport
from tests.builders import NOON, flag, transcript
from tests.pipeline.judge.fakes import judge_of
from tests.pipeline.strategies import messages

KEYS = [
    "kind", "file", "room", "speaker", "start", "end", "language", "text", "confidence",
    "suggestion", "risk", "labels", "hits", "policy", "model",
]  # fmt: skip
PLACES = st.builds(InputPlace, st.integers(1, 9), st.none() | st.text("ab") | st.integers(0, 9))


def test_an_utterance_line_has_hits_in_seconds() -> None:
    (flag,) = judge_of().process([transcript("add me on telegram", 10.0)])
    assert isinstance(flag, Flag)
    line = utterance_line(flag, "call.wav")
    assert list(line) == KEYS
    assert (line["file"], line["hits"][0]["start"], line["hits"][0]["end"]) == ("call.wav", 10.0, 12.0)


@settings(max_examples=12)
@given(messages(Flag))
def test_an_utterance_line_is_json_with_the_keys_of_the_contract(flag: Flag) -> None:
    line = json.loads(json.dumps(utterance_line(flag, None), allow_nan=False))
    assert list(line) == [*KEYS, *(key for key in ("sound", "withheld", "released") if getattr(flag, key))]
    assert (line["text"], line["suggestion"], line["file"]) == (flag.text, flag.suggestion, None)
    kind = "sound" if flag.sound else "utterance"
    assert line["kind"] == ("second_reading" if flag.source == "reader" else kind)
    assert abs(line["start"] - flag.start) <= max(0.0005, 1e-9 * flag.start)
    assert line["labels"].keys() == flag.labels.keys()
    assert len(line["hits"]) == len(flag.hits)


@settings(max_examples=12)
@given(messages(Flag).map(lambda flag: replace(flag, sound=None, withheld=(), released="")), PLACES)
def test_a_text_line_has_its_place_and_offsets_of_characters_instead_of_times(flag: Flag, place: InputPlace) -> None:
    line = json.loads(json.dumps(text_line(flag, place), allow_nan=False))
    assert list(line) == ["kind", "line", "id", *KEYS[1:]]
    assert (line["line"], line["id"]) == (place.line, place.id)
    assert [line[key] for key in ("file", "room", "speaker", "start", "end", "confidence")] == [None] * 6
    assert [(hit["start"], hit["end"]) for hit in line["hits"]] == [(hit.start, hit.end) for hit in flag.hits]


def test_a_file_line_tells_why_a_file_was_not_read() -> None:
    report = FileReport("a.wav", seconds=3.00049, speech_seconds=1.23456, utterances=2, suggestion="block", error="cut")
    assert file_line(report) == {
        "kind": "file", "file": "a.wav", "seconds": 3.0, "speech_seconds": 1.235,
        "utterances": 2, "suggestion": "block", "error": "cut",
    }  # fmt: skip


def test_an_error_line_names_its_line() -> None:
    assert error_line(InputPlace(7, "x"), "not UTF-8") == {"kind": "error", "line": 7, "error": "not UTF-8"}


def test_numbers_are_rounded_to_what_a_reader_needs() -> None:
    said = flag("x", 1.23456 - NOON, 2.5 - NOON, confidence=0.87654, risk=0.12345678, labels={"hate": 0.12345678})
    line = utterance_line(said, None)
    assert (line["start"], line["end"], line["confidence"]) == (1.235, 2.5, 0.8765)
    assert (line["risk"], line["labels"]) == (0.123457, {"hate": 0.123457})
