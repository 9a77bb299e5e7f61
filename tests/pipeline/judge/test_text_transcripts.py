"""JSON lines become transcripts; an invalid line is an error with its number."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec import json

from pipeline.base.errors import TextError
from pipeline.contract.messages import Transcript
from pipeline.judge.text_transcripts import transcripts
from tests.builders import transcript


def test_a_record_of_the_topic_is_read_as_it_was_judged() -> None:
    written = transcript("hello", speaker="bo", room_type="kids", marks=("low_confidence",))
    [read] = transcripts([json.encode(written)])
    assert isinstance(read, Transcript)
    for name in ("text", "language", "room", "speaker", "room_type", "start", "end", "confidence", "marks"):
        assert getattr(read, name) == getattr(written, name), name


def test_only_a_text_is_needed_and_lines_without_one_are_skipped() -> None:
    lines = [b"", b'{"kind": "file", "seconds": 30.0}', '{"text": "你好"}'.encode()]
    [read] = transcripts(lines)
    assert isinstance(read, Transcript)
    assert (read.text, read.language, read.id, read.confidence) == ("你好", "zh", "line 3", 1.0)


@given(st.binary(max_size=40))
def test_any_other_line_is_an_error_that_names_it(line: bytes) -> None:
    found = list(transcripts([b'{"text": "first"}', line]))
    assert all(isinstance(each, Transcript | TextError) for each in found)
    for error in found:
        if isinstance(error, TextError):
            assert "Line 2 is not a transcript" in str(error)
