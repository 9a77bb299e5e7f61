"""Every utterance that a stage cuts or rejects gets a status."""

from msgspec.structs import replace

from pipeline.base.errors import BadMessage
from pipeline.contract.messages import AudioChunk, Utterance
from pipeline.contract.speech_status import skipped, status_of, statuses
from pipeline.contract.stage import Rejected
from pipeline.contract.topology import DELIVER, JUDGE, SEGMENT, TRANSCRIBE
from tests.builders import flag, transcript

SPEECH = Utterance(
    room="lobby", speaker="ann", room_type="game", listeners=4, identity_verified=True, drill="d-1",
    start=10.0, end=12.0, id="u", address="voice.utterances/0/7",
)  # fmt: skip
CHUNK = AudioChunk(room="lobby", speaker="ann", start=1.0, sequence=0)


def test_a_status_has_the_fields_of_its_speech() -> None:
    status = status_of(SPEECH, "segmented")
    fields = ("room", "speaker", "room_type", "listeners", "identity_verified", "drill", "start", "end")
    assert [getattr(status, name) for name in fields] == [getattr(SPEECH, name) for name in fields]
    assert (status.utterance, status.state, status.reason) == ("u", "segmented", "")
    assert status.id == status_of(SPEECH, "segmented").id != status_of(SPEECH, "failed").id


def test_only_a_status_that_ends_the_work_has_an_address() -> None:
    """The one-machine runner takes an utterance with an address for unfinished."""
    assert status_of(SPEECH, "segmented").address is None
    assert status_of(SPEECH, "failed", "transcribe").address == SPEECH.address


def test_a_transcript_has_the_status_of_its_utterance() -> None:
    said = transcript("hello", 5.0)
    assert status_of(said, "skipped", "overload").utterance == said.utterance != said.id


def test_each_utterance_that_segment_cuts_has_a_status() -> None:
    assert statuses(SEGMENT, [SPEECH, CHUNK]) == [status_of(SPEECH, "segmented")]


def test_a_rejected_utterance_has_failed() -> None:
    error = BadMessage("broken", "Send it whole.")
    rejected = [Rejected(SPEECH, error), Rejected(transcript("hello"), error), Rejected(CHUNK, error)]
    found = statuses(TRANSCRIBE, rejected)
    assert [(each.state, each.reason) for each in found] == [("failed", "transcribe")] * 2


def test_words_so_far_are_no_utterance_that_failed() -> None:
    words = transcript("hello", early=True)
    assert statuses(JUDGE, [Rejected(words, BadMessage("broken")), flag(early=True)]) == []


def test_a_stage_without_statuses_gives_none() -> None:
    assert statuses(DELIVER, [SPEECH, Rejected(transcript("hello"), BadMessage("broken"))]) == []


def test_skipped_speech_has_a_reason() -> None:
    kinds = (("und", "none"), ("fr", "whisper"), ("und", "whisper"))
    made = [transcript("", skipped=True, language=language, model=model) for language, model in kinds]
    assert [(each.state, each.reason, each.language) for each in map(skipped, made)] == [
        ("skipped", "overload", ""),
        ("skipped", "language", "fr"),
        ("skipped", "no_words", ""),
    ]
    overload, other, _ = made
    assert skipped(other) == replace(skipped(overload), reason="language", language="fr"), "one final state, one id"
