"""Crash recovery of the one-machine runner: the data it keeps, and the work it repeats when it starts.

The journal holds audio until it is cut into utterances. The look-back holds an utterance from then on, and a mark says
that it is finished. After a crash, the next run repeats the audio in the journal and the utterances without a mark.
Sounds are repeated in the same way. The segment stage first hears the latest audio that was cut, and sends nothing of
it. The listen stage hears only the repeated audio.
Nothing is stored twice, because ids are deterministic and the store recognises a flag that it already has.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import structs

from pipeline.contract.messages import AudioChunk, EarlyUtterance, Message, Sound, SpeechStatus, Transcript, Utterance
from pipeline.contract.stage import HoldingProcessor, Processor, Rejected
from pipeline.contract.topology import AUDIO, UTTERANCES, Stage
from pipeline.review.evidence.segments import Finish
from pipeline.runner.journal import Journal
from pipeline.settings import Settings
from pipeline.speech.audio.cutter import lead_seconds

if TYPE_CHECKING:
    from pipeline.review.evidence.lookback import Lookback


class Recovery:
    """Crash recovery for one data folder. Raises DependencyError if the disk fails."""

    def __init__(self, settings: Settings, lookback: "Lookback") -> None:
        self.lookback = lookback
        self.journal = Journal(settings.data_dir / "journal", lead_seconds(settings.audio))

    def note(self, stage: Stage, processor: Processor[Any, Any], batch: Sequence[Message], outputs: list[Any]) -> None:
        """Keep what a stage has made of a batch, of a tick or of its drain, before the `outputs` go on.

        The runner calls it in the stage's thread, and repeats the call after an error.
        """
        if AUDIO in stage.takes:
            self.store(outputs)
            if UTTERANCES in stage.gives and isinstance(processor, HoldingProcessor):
                chunks = [message for message in batch if isinstance(message, AudioChunk)]
                cut = [output for output in outputs if isinstance(output, Utterance)]
                self.journal.taken(chunks, processor.needed, cut)  # only now, because the look-back has the speech
        elif not stage.spares:  # deliver finishes what read takes
            self.finish(batch, outputs)

    def drained(self, stage: Stage) -> None:
        """Note that a stage has processed all messages, and that all its outputs are kept."""
        if UTTERANCES in stage.gives:
            self.journal.close()

    def store(self, outputs: list[Any]) -> None:
        """Write the utterances and sounds among `outputs` to the look-back, and set their addresses."""
        for place, output in enumerate(outputs):
            match output:  # an output with an address was written by a call that failed later
                case Utterance(address=None):
                    outputs[place] = structs.replace(output, address=self.lookback.put(output))
                case EarlyUtterance(address=None, so_far=True):
                    outputs[place] = structs.replace(output, address=self.lookback.put_early(output))
                case Sound(address=None):
                    outputs[place] = structs.replace(output, address=self.lookback.sounds.put(output))

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

    def lead_in(self, processor: Processor[Any, Any]) -> None:
        """Let the segment stage hear what came before `chunks`. No audio waits for other stages."""
        if isinstance(processor, HoldingProcessor):
            processor.lead_in(self.journal.cut(), self.journal.sent(), whole=True)

    def chunks(self) -> Iterator[AudioChunk]:
        """The audio chunks that were taken but not cut into utterances, in order."""
        return self.journal.left()

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


def _finish(message: Message) -> Finish:
    """How an utterance ended whose last message was `message`."""
    if isinstance(message, SpeechStatus):
        return Finish.SKIPPED if message.state == "skipped" else Finish.FAILED
    return Finish.SKIPPED if isinstance(message, Transcript) and message.skipped else Finish.JUDGED


def _address(message: object) -> str | None:
    found: str | None = getattr(message, "address", None)
    return found
