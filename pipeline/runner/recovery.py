"""Crash recovery of the one-machine runner: the data it keeps, and the work it repeats when it starts.

The journal holds audio until it is cut into utterances. The look-back holds an utterance from then on, and a mark says
that it is finished. After a crash, the next run repeats the audio in the journal and the utterances without a mark.
Sounds are repeated in the same way. The listen stage hears the repeated audio, but none that was cut before.
Nothing is stored twice, because ids are deterministic and the store recognises a flag that it already has.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from pipeline.contract.messages import AudioChunk, EarlyUtterance, Message, Sound, SpeechStatus, Transcript, Utterance
from pipeline.contract.stage import Backlog, HoldingProcessor, Processor, Rejected
from pipeline.review.evidence.segments import Finish
from pipeline.runner.journal import Journal
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pipeline.review.evidence.lookback import Lookback

Outputs = list[Utterance | EarlyUtterance | Rejected]


Cutting = HoldingProcessor[AudioChunk, Utterance | EarlyUtterance]
"""The processor of the segment stage."""


class Logged(Processor[AudioChunk, Utterance | EarlyUtterance]):
    """Writes each utterance to the look-back when it is cut, and sets its address. Then the journal may drop the audio.

    If the look-back fails, the runner retries the same batch. But the segment stage has already consumed that audio,
    and would return nothing for it. So the outputs are kept until the look-back has all of them.
    """

    def __init__(self, inner: Cutting, lookback: "Lookback", journal: Journal) -> None:
        self._inner = inner
        self._lookback = lookback
        self._journal = journal
        self._outputs: Outputs | None = None

    def process(self, batch: Sequence[AudioChunk]) -> Outputs:
        return self._addressed(lambda: self._inner.process(batch), len(batch))

    def handle(self, batch: Sequence[AudioChunk]) -> Outputs:
        """Same as `process`. Other stages repeat a failed batch message by message, to find the bad one.

        The segment stage finds it itself, and must not take the good messages twice.
        """
        return self.process(batch)

    def tick(self, now: float) -> Outputs:
        return self._addressed(lambda: self._inner.tick(now))

    def drain(self) -> Outputs:
        found = self._addressed(self._inner.drain)
        self._journal.close()
        return found

    def close(self) -> None:
        self._inner.close()

    def _addressed(self, work: Callable[[], Outputs], chunks: int = 0) -> Outputs:
        outputs = self._outputs = work() if self._outputs is None else self._outputs
        for place, output in enumerate(outputs):
            if isinstance(output, Utterance) and output.address is None:
                outputs[place] = msgspec.structs.replace(output, address=self._lookback.put(output))
        self._journal.taken(chunks, self._inner.held_since)
        self._outputs = None
        return outputs


class LoggedSounds(Processor[AudioChunk, Sound]):
    """Writes each sound to the look-back, and sets its address. A failed write is repeated as in `Logged`."""

    def __init__(self, inner: Processor[AudioChunk, Sound], lookback: "Lookback") -> None:
        self._inner = inner
        self._lookback = lookback
        self._outputs: list[Sound | Rejected] | None = None

    def process(self, batch: Sequence[AudioChunk]) -> list[Sound | Rejected]:
        return self._addressed(lambda: self._inner.process(batch))

    def handle(self, batch: Sequence[AudioChunk]) -> list[Sound | Rejected]:
        return self.process(batch)

    def behind(self, backlog: Backlog) -> None:
        self._inner.behind(backlog)

    def spared(self) -> None:
        self._inner.spared()

    def tick(self, now: float) -> list[Sound | Rejected]:
        return self._addressed(lambda: self._inner.tick(now))

    def drain(self) -> list[Sound | Rejected]:
        return self._addressed(self._inner.drain)

    def close(self) -> None:
        self._inner.close()

    def _addressed(self, work: Callable[[], list[Sound | Rejected]]) -> list[Sound | Rejected]:
        outputs = self._outputs = work() if self._outputs is None else self._outputs
        for place, output in enumerate(outputs):
            if isinstance(output, Sound) and output.address is None:
                outputs[place] = msgspec.structs.replace(output, address=self._lookback.sounds.put(output))
        self._outputs = None
        return outputs


class Recovery:
    """Crash recovery for one data folder. Raises DependencyError if the disk fails."""

    def __init__(self, settings: Settings, lookback: "Lookback") -> None:
        self.lookback = lookback
        self.journal = Journal(settings.data_dir / "journal")
        self._overlap = settings.audio.overlap_seconds

    def logged(self, segment: Cutting) -> Logged:
        """Wrap the segment stage, so that the look-back has each utterance before its audio is deleted."""
        return Logged(segment, self.lookback, self.journal)

    def logged_sounds(self, listen: Processor[AudioChunk, Sound]) -> LoggedSounds:
        """Wrap the listen stage, so that the look-back has each sound."""
        return LoggedSounds(listen, self.lookback)

    def sounds(self) -> Iterator[Sound]:
        """The sounds that were recognised but not finished, oldest first."""
        for address in self.lookback.sounds.unfinished():
            if found := self.lookback.sound(address):
                yield found

    def utterances(self) -> Iterator[Utterance]:
        """The utterances that were cut but not finished, oldest first."""
        for address in self.lookback.unfinished():
            if found := self.lookback.get(address):
                yield found

    def chunks(self) -> Iterator[AudioChunk]:
        """The audio chunks that were taken but not cut into utterances, in order."""
        return self.journal.left(self._cut_to)

    def finish(self, batch: Sequence[Message], outputs: Sequence[Any]) -> None:
        """Mark the utterances and sounds of a stage's `batch` as finished if no output continues to the next stage."""
        rejected = {_address(output.message) for output in outputs if isinstance(output, Rejected)}
        going_on = {_address(output) for output in outputs if not isinstance(output, Rejected)}
        ended: dict[Finish, list[str]] = {outcome: [] for outcome in Finish}
        for message in batch:
            address = _address(message)
            if address and address not in going_on:
                ended[Finish.FAILED if address in rejected else _finish(message)].append(address)
        for outcome, addresses in ended.items():
            if addresses:
                self.lookback.finish(addresses, outcome)

    def _cut_to(self, room: str, speaker: str) -> float:
        """UTC seconds up to which this speaker's audio was cut. A forced cut leaves its overlap to be heard again."""
        last = self.lookback.newest(room, speaker)
        if last is None:
            return float("-inf")
        return last.end - self._overlap if last.forced else last.end


def _finish(message: Message) -> Finish:
    """How an utterance ended whose last message was `message`."""
    if isinstance(message, SpeechStatus):
        return Finish.SKIPPED if message.state == "skipped" else Finish.FAILED
    return Finish.SKIPPED if isinstance(message, Transcript) and message.skipped else Finish.JUDGED


def _address(message: object) -> str | None:
    found: str | None = getattr(message, "address", None)
    return found
