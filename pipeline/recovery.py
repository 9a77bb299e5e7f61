"""What the one-machine runner keeps so that a kill loses nothing, and what it does again when it starts.

Audio is in the journal from when it is taken until it is cut. An utterance is in the look-back from when it is cut, and
is in hand until it is marked as finished. After a kill both are done again. Ids make it once: the store knows a flag
that it has.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from pipeline.journal import Journal
from pipeline.messages import AudioChunk, Message, Transcript, Utterance
from pipeline.review.evidence.marks import Finish
from pipeline.settings import Settings
from pipeline.stage import HoldingProcessor, Processor, Rejected

if TYPE_CHECKING:
    from pipeline.review.evidence.lookback import Lookback

Outputs = list[Utterance | Rejected]


Cutting = HoldingProcessor[AudioChunk, Utterance]
"""The processor of the segment stage."""


class Logged(Processor[AudioChunk, Utterance]):
    """Writes each utterance to the look-back as soon as it is cut, and its address on it. Then the journal may forget.

    When the look-back fails, the runner tries the same batch again. But the stage has heard that audio and would give
    nothing for it. So the first outputs are kept until the look-back has them all.
    """

    def __init__(self, inner: Cutting, lookback: "Lookback", journal: Journal) -> None:
        self._inner = inner
        self._lookback = lookback
        self._journal = journal
        self._kept: Outputs | None = None

    def process(self, batch: Sequence[AudioChunk]) -> Outputs:
        return self._addressed(lambda: self._inner.process(batch), len(batch))

    def handle(self, batch: Sequence[AudioChunk]) -> Outputs:
        """The segment stage finds the bad message of a batch by itself: it must not hear the others twice."""
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
        outputs = self._kept = work() if self._kept is None else self._kept
        for place, output in enumerate(outputs):
            if isinstance(output, Utterance) and output.address is None:
                outputs[place] = msgspec.structs.replace(output, address=self._lookback.put(output))
        self._journal.taken(chunks, self._inner.held_since)
        self._kept = None
        return outputs


class Recovery:
    """Of one data folder."""

    def __init__(self, settings: Settings, lookback: "Lookback") -> None:
        self.lookback = lookback
        self.journal = Journal(settings.data_dir / "journal")
        self._overlap = settings.audio.overlap_seconds

    def logged(self, segment: Cutting) -> Logged:
        return Logged(segment, self.lookback, self.journal)

    def utterances(self) -> Iterator[Utterance]:
        """Those that were cut and not finished, the earliest first."""
        for address in self.lookback.unfinished():
            if found := self.lookback.get(address):
                yield found

    def chunks(self) -> Iterator[AudioChunk]:
        """Those that were taken and not cut, in order."""
        return self.journal.left(self._cut_to)

    def finish(self, batch: Sequence[Message], outputs: Sequence[Any]) -> None:
        """Mark what went into a stage, with an address, and does not go on to the next."""
        rejected = {_address(output.message) for output in outputs if isinstance(output, Rejected)}
        going_on = {_address(output) for output in outputs if not isinstance(output, Rejected)}
        ended: dict[Finish, list[str]] = {outcome: [] for outcome in Finish}
        for message in batch:
            address = _address(message)
            if address and address not in going_on:
                skipped = isinstance(message, Transcript) and message.skipped
                unheard = Finish.FAILED if address in rejected else Finish.SKIPPED
                ended[unheard if skipped or address in rejected else Finish.HEARD].append(address)
        for outcome, addresses in ended.items():
            if addresses:
                self.lookback.finish(addresses, outcome)

    def _cut_to(self, room: str, speaker: str) -> float:
        """Up to when this speaker's audio was cut. An utterance that was cut for length is repeated in part."""
        last = self.lookback.newest(room, speaker)
        if last is None:
            return float("-inf")
        return last.end - self._overlap if last.forced else last.end


def _address(message: object) -> str | None:
    found: str | None = getattr(message, "address", None)
    return found
