"""Releases flags that were withheld until words and second ear agree.

Words and sounds come on different topics, in no certain order. So each flag is withheld first, also if the other source
is known already. The flags and their ids are the same in any order.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from pipeline.contract.messages import Flag
from pipeline.judge.speaker_memory import SpeakerMemory

MAX_SPEAKERS = 4_000
"""Limit for all rooms together. The transcripts of all withheld flags take about 200 MB at most."""
MAX_IN_ROOM = 200
"""Limit for one room."""
MAX_FLAGS = 16
"""Limit for one speaker."""
LATE_SECONDS = 600.0
"""How long a flag waits for the other source, in seconds of the room's audio."""

Release = Callable[[str], Flag]
"""Judges the same message again. It takes the label on which both sources agree, or an empty text."""


@dataclass(frozen=True, slots=True)
class ReleasedFlag:
    """A flag that is released now, and the flags of the same message before it: the withheld one comes first."""

    flag: Flag
    before: tuple[Flag, ...]


@dataclass(slots=True)
class WithheldFlag:
    """A flag that waits for the other source."""

    flag: Flag
    release: Release
    released: list[Flag] = field(default_factory=list)
    """The flags of labels on which both sources agreed already."""

    @property
    def speaker(self) -> str:
        return self.flag.speaker

    @property
    def start(self) -> float:
        return self.flag.start

    def is_partner(self, other: "WithheldFlag") -> bool:
        """Whether the two are different sources of the same moment."""
        one, two = self.flag, other.flag
        return one.source != two.source and one.start < two.end and two.start < one.end


class Pairs:
    """The withheld flags of each speaker, until the other source agrees or its time is over."""

    def __init__(self) -> None:
        self._waiting = SpeakerMemory[WithheldFlag](MAX_SPEAKERS, MAX_IN_ROOM, MAX_FLAGS)

    def meet(self, flag: Flag, release: Release) -> list[ReleasedFlag]:
        """Return what this flag releases, often also itself. A flag is released once for each of its labels."""
        if not flag.withheld:
            return []
        new = WithheldFlag(flag, release)
        partners = [each for each in self._waiting.of(flag.room, flag.speaker) if each.is_partner(new)]
        released = [each for partner in partners for each in _agreed(partner, new)]
        self._waiting.expire(flag.room, flag.start - LATE_SECONDS)  # by the time of the audio, as a replay has no other
        self._waiting.keep(flag.room, new)
        return released


def _agreed(one: WithheldFlag, other: WithheldFlag) -> Iterator[ReleasedFlag]:
    for label in one.flag.withheld:
        if label in other.flag.withheld:
            # Each source has a flag of its own, and both are released.
            for each in (one, other):
                if all(flag.released != label for flag in each.released):
                    before = (each.flag, *each.released)
                    each.released.append(each.release(label))
                    yield ReleasedFlag(each.released[-1], before)
