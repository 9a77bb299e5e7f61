"""Every utterance that a stage cuts or rejects gets a status."""

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec.structs import replace

from pipeline.base.errors import BadMessage
from pipeline.contract.messages import AudioChunk, SpeechStatus, Utterance
from pipeline.contract.speech_status import reporting, skipped, status_of
from pipeline.contract.stage import Backlog, HoldingProcessor, Processor, Rejected
from pipeline.contract.topology import DELIVER, SEGMENT, TRANSCRIBE
from tests.builders import transcript

SPEECH = Utterance(
    room="lobby", speaker="ann", room_type="game", listeners=4, identity_verified=True, drill="d-1",
    start=10.0, end=12.0, id="u", address="voice.utterances/0/7",
)  # fmt: skip
CHUNK = AudioChunk(room="lobby", speaker="ann", start=1.0, sequence=0)


class Echo(Processor[Any, Any]):
    """Returns each message of a batch, on every occasion."""

    def __init__(self) -> None:
        self.waited = 0.0
        self.closed = False
        self.ahead: list[Any] = []

    def process(self, batch: Sequence[Any]) -> list[Any]:
        return list(batch)

    def behind(self, backlog: Backlog) -> None:
        self.waited = backlog.waited

    def early(self, messages: Sequence[Any]) -> None:
        self.ahead += messages

    def tick(self, now: float) -> list[Any]:
        return [SPEECH]

    def drain(self) -> list[Any]:
        return [SPEECH]

    def close(self) -> None:
        self.closed = True


class HoldingEcho(Echo, HoldingProcessor[Any, Any]):
    """The same for a stage that holds messages."""

    def needed(self, room: str, speaker: str) -> int:
        return len(room + speaker)

    def held_since(self, room: str, speaker: str) -> float | None:
        return 3.0

    def lead_in(self, earlier: Iterable[Any], told: Iterable[Any] = ()) -> None:
        self.earlier, self.told = list(earlier), list(told)


def statuses(outputs: Iterable[Any]) -> list[SpeechStatus]:
    return [each for each in outputs if isinstance(each, SpeechStatus)]


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


def test_each_utterance_is_reported_after_the_outputs() -> None:
    processor = reporting(Echo(), SEGMENT)
    assert processor.process([SPEECH, CHUNK]) == [SPEECH, CHUNK, status_of(SPEECH, "segmented")]
    for outputs in (processor.handle([SPEECH]), processor.tick(1.0), processor.drain()):
        assert statuses(outputs) == [status_of(SPEECH, "segmented")]


def test_a_rejected_utterance_has_failed() -> None:
    error = BadMessage("broken", "Send it whole.")
    rejected = [Rejected(SPEECH, error), Rejected(transcript("hello"), error), Rejected(CHUNK, error)]
    found = statuses(reporting(Echo(), TRANSCRIBE).process(rejected))
    assert [(each.state, each.reason) for each in found] == [("failed", "transcribe")] * 2


def test_the_wrapped_processor_receives_every_call() -> None:
    inner = HoldingEcho()
    processor = reporting(inner, SEGMENT)
    assert isinstance(processor, HoldingProcessor)
    processor.behind(Backlog(waited=2.5))
    processor.early([CHUNK])
    processor.lead_in([CHUNK], [SPEECH])
    assert (processor.needed("ab", "c"), processor.held_since("ab", "c")) == (3, 3.0)
    assert statuses(processor.handle([SPEECH])) == [status_of(SPEECH, "segmented")]
    processor.close()
    assert (inner.waited, inner.earlier, inner.told, inner.closed) == (2.5, [CHUNK], [SPEECH], True)
    assert inner.ahead == [CHUNK]


def test_a_stage_without_statuses_is_not_wrapped() -> None:
    inner = Echo()
    assert reporting(inner, DELIVER) is inner


def test_the_reason_of_skipped_speech_is_overload_or_its_language() -> None:
    overload, other = (transcript("", skipped=True, language=language) for language in ("und", "fr"))
    assert [(each.state, each.reason, each.language) for each in map(skipped, (overload, other))] == [
        ("skipped", "overload", ""),
        ("skipped", "language", "fr"),
    ]
    assert skipped(other) == replace(skipped(overload), reason="language", language="fr"), "one final state, one id"
