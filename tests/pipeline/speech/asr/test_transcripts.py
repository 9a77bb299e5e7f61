"""A transcript takes room, speaker, times and address from its utterance."""

import json

from msgspec.structs import replace

from pipeline.base.errors import AudioError
from pipeline.contract.messages import UNDETERMINED, Transcript, Word
from pipeline.speech.asr.transcripts import error_line, json_line, srt_cue, timed, transcript_of, vtt_cue, wordless
from tests.builders import utterance

SAID = utterance("u", 10.0, 12.5, room="lobby", room_type="kids", address="topic/0/7")


def test_it_is_the_transcript_of_its_utterance() -> None:
    made = transcript_of(SAID, text="hello", language="en", confidence=0.9, model="m")
    assert (made.utterance, made.room, made.speaker, made.room_type) == ("u", "lobby", "ann", "kids")
    assert (made.start, made.end, made.address) == (10.0, 12.5, "topic/0/7")
    assert (made.text, made.language, made.confidence, made.model) == ("hello", "en", 0.9, "m")


def test_the_same_speech_has_the_same_id() -> None:
    again = transcript_of(SAID, text="hallo", language="de", confidence=0.2, model="other")
    assert again.id == wordless(SAID, model="none").id


def test_without_words_the_reason_stays() -> None:
    made = wordless(SAID, skipped=True, model="none")
    assert (made.text, made.language, made.confidence, made.skipped) == ("", UNDETERMINED, 0.0, True)


HEARD = Transcript(
    room="file-0", speaker="file", id="t", utterance="u", start=1.23456, end=3725.0, text="你好 \n\n there",
    language="zh", confidence=0.9, no_speech=0.05, marks=("low_confidence",), model="m",
)  # fmt: skip


def test_a_subrip_cue_has_no_empty_line() -> None:
    assert srt_cue(7, HEARD.start, HEARD.end, HEARD.text) == "7\n00:00:01,235 --> 01:02:05,000\n你好 there\n\n"


def test_a_webvtt_cue_escapes_markup() -> None:
    assert vtt_cue(0, 59.9996, "<b> & --> you") == "00:00:00.000 --> 00:01:00.000\n&lt;b&gt; &amp; --&gt; you\n\n"


def test_a_json_line_has_the_documented_fields() -> None:
    line = json_line("a.wav", HEARD)
    assert line.endswith("\n")
    assert json.loads(line) == {
        "file": "a.wav",
        "start": 1.235,
        "end": 3725.0,
        "language": "zh",
        "text": "你好 \n\n there",
        "confidence": 0.9,
        "no_speech": 0.05,
        "marks": ["low_confidence"],
    }


def test_a_json_line_says_why_speech_has_no_text() -> None:
    line = json.loads(json_line("a.wav", wordless(SAID, "fr", skipped=True, model="m")))
    assert (line["text"], line["skipped"], line["reason"]) == ("", True, "language")


def test_subtitles_are_in_the_order_of_time_and_repeat_nothing() -> None:
    """After a forced cut, an utterance repeats the last half second of the one before. Two people may speak at once."""
    spans = {"late": (14.5, 20.0), "first": (0.0, 15.0), "last": (20.0, 21.0)}
    said = [replace(HEARD, id=name, start=start, end=end) for name, (start, end) in spans.items()]
    other = replace(HEARD, id="other", start=3.0, end=19.0, speaker="file, channel 2")
    assert [(each.id, each.start, end) for each, end in timed([*said, other])] == [
        ("first", 0.0, 14.5), ("other", 3.0, 19.0), ("late", 14.5, 20.0), ("last", 20.0, 21.0),
    ]  # fmt: skip


def test_a_json_line_has_words_if_the_transcript_has_them() -> None:
    heard = Transcript(
        room="r", speaker="s", id="t", utterance="u", start=0, end=1, text="hi", language="en", confidence=1,
        words=(Word("hi", 0.1, 0.4, 0.9),), model="m",
    )  # fmt: skip
    assert json.loads(json_line("a", heard))["words"] == [{"text": "hi", "start": 0.1, "end": 0.4, "probability": 0.9}]


def test_an_error_line_has_file_and_error() -> None:
    assert json.loads(error_line("a.wav", AudioError("a.wav is empty", "Record it again."))) == {
        "file": "a.wav",
        "error": "a.wav is empty. Record it again.",
    }
