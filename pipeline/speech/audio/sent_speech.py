"""Remembers unfinished speech that was already returned as an utterance. When it is cut, only its rest is returned.

When a speaker sends nothing for some time, the unfinished speech so far becomes an utterance. But the speech may
continue, for example after an outage. Then the same worker cuts it, or another worker that reads the audio again. The
speech is recognised by its start sample, which is the same each time.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace

from pipeline.contract.messages import SAMPLE_RATE, Utterance, sample_of
from pipeline.speech.audio.cutter import MIN_SECONDS, OVERLAP_SECONDS
from pipeline.speech.audio.speaker import SpeechPiece

Key = tuple[str, str]
"""Room and speaker."""


MAX_REMEMBERED = 50_000
"""Number of utterances that are remembered."""


class SentSpeech:
    """The latest utterances that were returned before their speech ended."""

    def __init__(self) -> None:
        self._overlap = round(OVERLAP_SECONDS * SAMPLE_RATE)
        self._shortest = round(MIN_SECONDS * SAMPLE_RATE)
        self._ends: OrderedDict[tuple[Key, int], int] = OrderedDict()
        """The end sample of each utterance, by speaker and start sample."""

    def note(self, utterances: Iterable[Utterance]) -> None:
        """Remember `utterances`."""
        for each in utterances:
            place = (each.room, each.speaker), sample_of(each.start)
            self._ends[place] = max(sample_of(each.end), self._ends.get(place, 0))
            if len(self._ends) > MAX_REMEMBERED:
                self._ends.popitem(last=False)

    def rest(self, key: Key, piece: SpeechPiece) -> SpeechPiece | None:
        """The rest of `piece` that was not returned before, with an overlap as after a forced cut.

        Returns `piece` itself if nothing of it was returned, and None if its rest is too short.
        """
        samples = piece.cut.samples
        sent = self._ends.get((key, piece.start), piece.start) - piece.start
        if sent == 0:
            return piece
        new = samples.size - sent
        repeated = min(self._overlap, new, sent - 1)
        if new + repeated < self._shortest:
            return None
        head = sent - repeated
        cut = replace(piece.cut, start=piece.cut.start + head, samples=samples[head:], overlap=repeated)
        return self.rest(key, replace(piece, start=piece.start + head, cut=cut))
