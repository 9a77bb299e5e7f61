"""What a worker before us told of speech that we cut again: it is told once, though it now ends elsewhere.

A worker ends an utterance when nothing comes any more, as in an outage. If another worker takes over then, it hears the
same audio again and what came later, so that the utterance ends later and has another id. It is known by its beginning,
which is the same to the sample.
"""

from collections.abc import Iterable
from dataclasses import replace

from pipeline.audio.speaker import Piece
from pipeline.messages import SAMPLE_RATE, Utterance, sample_of
from pipeline.settings import Audio

Key = tuple[str, str]
"""Room and speaker."""


class Told:
    """Utterances that were told before, each to be asked for once."""

    def __init__(self, settings: Audio) -> None:
        self._overlap = round(settings.overlap_seconds * SAMPLE_RATE)
        self._shortest = round(settings.min_seconds * SAMPLE_RATE)
        self._ends: dict[tuple[Key, int], int] = {}
        """The last sample of each, by its first one."""

    def note(self, utterances: Iterable[Utterance]) -> None:
        for each in utterances:
            place = (each.room, each.speaker), sample_of(each.start)
            self._ends[place] = max(sample_of(each.end), self._ends.get(place, 0))

    def rest(self, key: Key, piece: Piece) -> Piece | None:
        """What of `piece` was not told, after some that was, as it is after a cut for length; None if too little is."""
        samples = piece.cut.samples
        told = self._ends.pop((key, piece.start), piece.start) - piece.start
        new = samples.size - told
        if told == 0 or new == 0:  # the same utterance has the same id
            return piece
        repeated = min(self._overlap, new, told)
        if new + repeated < self._shortest:
            return None
        head = told - repeated
        rest = replace(piece.cut, start=piece.cut.start + head, samples=samples[head:], overlap=repeated)
        return replace(piece, start=piece.start + head, cut=rest)
