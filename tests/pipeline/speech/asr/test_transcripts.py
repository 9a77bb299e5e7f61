"""A transcript takes room, speaker, times and address from its utterance."""

from pipeline.contract.messages import UNDETERMINED
from pipeline.speech.asr.transcripts import transcript_of, wordless
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
