"""The judge's memory of recent speech: the last utterances of each speaker in each room. Bounded.

Times are times of the speech, not of the clock. An utterance only follows speech that ended before it began. So it has
the same speech before it in a replay, and if speakers come slightly out of order.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from pipeline.contract.messages import Flag, Transcript
from pipeline.judge.classifier_text import OWN, last_characters
from pipeline.judge.speaker_memory import SpeakerMemory

OWN_SECONDS = 20.0
"""The speaker's own words may belong to an utterance if they began at most this long before it."""
ROOM_SECONDS = 30.0
"""An utterance may answer words of others that began at most this long before it."""
OTHERS = 2
"""How many utterances of others count."""
OVERLAP = 0.5
"""Seconds by which two utterances of a speaker may overlap: a cut inside speech repeats its end."""
MAX_UTTERANCES = 8
"""Utterances that are kept of each speaker. With more in `OWN_SECONDS`, the text would be too long anyway."""
MAX_IN_ROOM = 200
"""Limit of the speakers of one room. A room with more forgets the speaker whose last words are oldest."""
MAX_SPEAKERS = 20_000
"""Limit for all rooms together, about 60 MB. Above it, the fullest room forgets a speaker."""


@dataclass(slots=True)
class RecentUtterance:
    """One utterance."""

    speaker: str
    text: str
    """Its last characters, as many as a classifier reads."""
    start: float
    end: float
    flagged_by: set[str] = field(default_factory=set)
    """The policies and models that flagged it."""


@dataclass(frozen=True, slots=True)
class SpeechBefore:
    """An utterance, and the speech before it, in order."""

    said: RecentUtterance
    own: Sequence[RecentUtterance] = ()
    others: Sequence[RecentUtterance] = ()

    @property
    def own_text(self) -> str:
        return _joined(self.own)

    @property
    def room_text(self) -> str:
        return _joined(self.others)

    def follows_flag(self, by: str) -> bool:
        """Whether `by` flagged some of the speaker's own words before."""
        return any(by in said.flagged_by for said in self.own)


class Conversations:
    """The last utterances of each speaker in each room. The speaker with the oldest words is forgotten first."""

    def __init__(self, max_speakers: int = MAX_SPEAKERS, max_in_room: int = MAX_IN_ROOM) -> None:
        self._said = SpeakerMemory[RecentUtterance](max_speakers, max_in_room, MAX_UTTERANCES)

    def follow(self, batch: Sequence[Transcript | Flag]) -> list[SpeechBefore]:
        """The speech before each utterance. Each utterance is remembered for later ones."""
        return [self._follow(transcript) for transcript in batch]

    def sweep(self) -> None:
        """Forget the rooms where nobody has spoken since the last sweep, so that their words do not stay in memory."""
        self._said.sweep()

    def _follow(self, transcript: Transcript | Flag) -> SpeechBefore:
        said = self._said.of(transcript.room, transcript.speaker)
        own = _in_order(_between(said, transcript.start, OWN_SECONDS, OVERLAP))
        others = _in_order(self._others(transcript))[-OTHERS:]
        return SpeechBefore(self._remember(transcript), own, others)

    def _others(self, transcript: Transcript | Flag) -> Iterator[RecentUtterance]:
        """The words of the last other speakers."""
        others = (said for name, said in self._said.latest(transcript.room) if name != transcript.speaker)
        # More speakers than needed, because the speech of some may be ahead of this utterance.
        for said in islice(others, 2 * OTHERS):
            yield from _between(said, transcript.start, ROOM_SECONDS)

    def _remember(self, transcript: Transcript | Flag) -> RecentUtterance:
        """Keep an utterance, unless it is known. Words that may be invented, and words so far, are no context."""
        said = RecentUtterance(
            transcript.speaker, last_characters(transcript.text, OWN), transcript.start, transcript.end
        )
        if transcript.marks or transcript.early or not said.text:
            return said
        known = self._said.of(transcript.room, transcript.speaker)
        if same := next((one for one in known if one.start == said.start), None):
            return same  # delivered a second time: it keeps what flagged it
        self._said.keep(transcript.room, said)
        return said


def _between(
    found: Sequence[RecentUtterance], start: float, seconds: float, overlap: float = 0.0
) -> Iterator[RecentUtterance]:
    """What began in the `seconds` before `start` and ended by then."""
    for said in found:
        if start - seconds <= said.start < start and said.end <= start + overlap:
            yield said


def _in_order(found: Iterable[RecentUtterance]) -> list[RecentUtterance]:
    return sorted(found, key=lambda said: said.start)


def _joined(found: Sequence[RecentUtterance]) -> str:
    return " ".join(said.text for said in found)
