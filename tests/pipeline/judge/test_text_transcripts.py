"""JSON lines become transcripts; an invalid line is an error with its number."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec import json

from pipeline.base.errors import TextError
from pipeline.contract.messages import Transcript
from pipeline.judge.text_transcripts import transcripts
from pipeline.speech.asr.transcripts import json_line, wordless
from tests.builders import transcript, utterance


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


def test_a_line_of_a_recording_belongs_to_its_file_and_may_have_been_skipped() -> None:
    skipped = wordless(utterance("u", 3.0, 5.0), "fr", skipped=True, model="m")
    [read] = transcripts([json_line("talk.wav", skipped).encode()])
    assert isinstance(read, Transcript)
    assert (read.room, read.start, read.skipped) == ("talk.wav", 3.0, True)


@given(st.binary(max_size=40))
def test_any_other_line_is_an_error_that_names_it(line: bytes) -> None:
    found = list(transcripts([b'{"text": "first"}', line]))
    assert all(isinstance(each, Transcript | TextError) for each in found)
    for error in found:
        if isinstance(error, TextError):
            assert "Line 2 is not a transcript" in str(error)
