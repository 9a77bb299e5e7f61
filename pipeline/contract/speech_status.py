"""Reports the status of utterances that have no flag or no flag yet, so that every utterance is accounted for.

The runners put the class `Reporting` around each stage that gives `SpeechStatus` messages. It adds one message for each
utterance that the stage cuts, and one for each that it rejects. The judge itself gives one for each utterance that
was not transcribed.
"""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import uuid5

from msgspec import structs

from pipeline.contract.messages import (
    NAMESPACE,
    UNDETERMINED,
    Flag,
    Message,
    SpeechState,
    SpeechStatus,
    Transcript,
    Utterance,
    origin,
)
from pipeline.contract.stage import Backlog, HoldingProcessor, Processor, Rejected
from pipeline.contract.topology import SPEECH, Stage


def skipped(transcript: Transcript) -> SpeechStatus:
    """Return the status of an utterance that was not transcribed."""
    if transcript.language == UNDETERMINED:
        return status_of(transcript, "skipped", "overload")
    return structs.replace(status_of(transcript, "skipped", "language"), language=transcript.language)


def status_of(message: Utterance | Transcript | Flag, state: SpeechState, reason: str = "") -> SpeechStatus:
    """Return the status of the message's utterance.

    A status other than `segmented` ends the work on the utterance, so it has the address of the audio.
    """
    utterance = message.id if isinstance(message, Utterance) else message.utterance
    return SpeechStatus(
        **origin(message),
        id=str(uuid5(NAMESPACE, f"status\x1f{utterance}\x1f{state}")),
        utterance=utterance,
        end=message.end,
        state=state,
        reason=reason,
        address=None if state == "segmented" else message.address,
    )


class Reporting(Processor[Any, Any]):
    """Adds to the outputs of a processor the statuses of their utterances. `stage` is the name of its stage."""

    def __init__(self, inner: Processor[Any, Any], stage: str) -> None:
        self._inner = inner
        self._stage = stage

    def process(self, batch: Sequence[Any]) -> list[Any]:
        return self._reported(self._inner.process(batch))

    def handle(self, batch: Sequence[Any]) -> list[Any]:
        return self._reported(self._inner.handle(batch))

    def behind(self, backlog: Backlog) -> None:
        self._inner.behind(backlog)

    def spared(self) -> None:
        self._inner.spared()

    def early(self, messages: Sequence[Any]) -> None:
        self._inner.early(messages)

    def ready(self, messages: Sequence[Any]) -> list[Any]:
        return self._inner.ready(messages)

    def tick(self, now: float) -> list[Any]:
        return self._reported(self._inner.tick(now))

    def drain(self) -> list[Any]:
        return self._reported(self._inner.drain())

    def close(self) -> None:
        self._inner.close()

    def _reported(self, outputs: list[Any]) -> list[Any]:
        return [*outputs, *(status for output in outputs if (status := self._status(output)))]

    def _status(self, output: Message | Rejected) -> SpeechStatus | None:
        if isinstance(output, Utterance):
            return status_of(output, "segmented")
        if isinstance(output, Rejected) and isinstance(output.message, Utterance | Transcript | Flag):
            return status_of(output.message, "failed", self._stage) if _is_of_speech(output.message) else None
        return None


class HoldingReporting(Reporting, HoldingProcessor[Any, Any]):
    """The same for a processor that holds messages between batches."""

    _inner: HoldingProcessor[Any, Any]

    def __init__(self, inner: HoldingProcessor[Any, Any], stage: str) -> None:
        super().__init__(inner, stage)

    def handle(self, batch: Sequence[Any]) -> list[Any]:
        return self.process(batch)

    def needed(self, room: str, speaker: str) -> int:
        return self._inner.needed(room, speaker)

    def held_since(self, room: str, speaker: str) -> float | None:
        return self._inner.held_since(room, speaker)

    def lead_in(self, earlier: Iterable[Any], told: Iterable[Any] = ()) -> None:
        self._inner.lead_in(earlier, told)


def _is_of_speech(message: Utterance | Transcript | Flag) -> bool:
    return not isinstance(message, Flag) or message.source == "words"


def reporting(processor: Processor[Any, Any], stage: Stage) -> Processor[Any, Any]:
    """Wrap the processor of `stage`, if the stage gives statuses."""
    if SPEECH not in stage.gives:
        return processor
    if isinstance(processor, HoldingProcessor):
        return HoldingReporting(processor, stage.name)
    return Reporting(processor, stage.name)
