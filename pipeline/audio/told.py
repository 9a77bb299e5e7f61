"""Speech that was told before it was over: when it is cut, only the rest of it is told.

When nothing comes any more, unfinished speech is told as far as it goes. It may go on after all, e.g. after an outage.
Another worker may then have it, which hears the same audio again. The speech is known by its beginning, which is the
same to the sample.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace

from pipeline.audio.speaker import SpeechPiece
from pipeline.messages import SAMPLE_RATE, Utterance, sample_of
from pipeline.settings import Audio

Key = tuple[str, str]
"""Room and speaker."""


MOST = 50_000
"""Utterances that are remembered."""


class Told:
    """The last utterances that were told before their speech was over."""

    def __init__(self, settings: Audio) -> None:
        self._overlap = round(settings.overlap_seconds * SAMPLE_RATE)
        self._shortest = round(settings.min_seconds * SAMPLE_RATE)
        self._ends: OrderedDict[tuple[Key, int], int] = OrderedDict()
        """The last sample of each, by its first one."""

    def note(self, utterances: Iterable[Utterance]) -> None:
        for each in utterances:
            place = (each.room, each.speaker), sample_of(each.start)
            self._ends[place] = max(sample_of(each.end), self._ends.get(place, 0))
            if len(self._ends) > MOST:
                self._ends.popitem(last=False)

    def rest(self, key: Key, piece: SpeechPiece) -> SpeechPiece | None:
        """What of `piece` was not told, after some that was, as it is after a cut for length; None if too little is."""
        samples = piece.cut.samples
        told = self._ends.get((key, piece.start), piece.start) - piece.start
        if told == 0:
            return piece
        new = samples.size - told
        repeated = min(self._overlap, new, told - 1)
        if new + repeated < self._shortest:
            return None
        head = told - repeated
        cut = replace(piece.cut, start=piece.cut.start + head, samples=samples[head:], overlap=repeated)
        return self.rest(key, replace(piece, start=piece.start + head, cut=cut))
