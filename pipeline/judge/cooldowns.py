"""The judge's memory of blocks: which speakers it blocked, for which labels, until the cool-down ends. Bounded."""

from dataclasses import dataclass

from pipeline.judge.speaker_memory import SpeakerMemory

MAX_SPEAKERS = 100_000
"""Limit for all rooms together, about 50 MB."""
MAX_IN_ROOM = 1_000
"""Limit for one room."""
LATE_SECONDS = 600.0
"""How long a block is kept after its cool-down. A speaker of another shard of the room may be this much behind."""
MAX_BLOCKS = 32
"""Limit for one speaker. Within a cool-down each block adds a label, or a recording, that was not blocked yet. So there
are at most as many blocks as labels, and recordings need seconds to be heard.
"""


@dataclass(frozen=True, slots=True)
class Blocked:
    """An utterance or a sound for which the judge suggested a block."""

    speaker: str
    start: float
    labels: frozenset[str]
    """The labels that led to the block; of a sound, its id in the bank."""


class CoolDowns:
    """The blocks of each speaker in each room, until their cool-down ends.

    Times are those of the speech, not of the clock, so a replay gives the same flags as the first run.
    """

    def __init__(self, max_speakers: int = MAX_SPEAKERS, max_in_room: int = MAX_IN_ROOM) -> None:
        self._blocks = SpeakerMemory[Blocked](max_speakers, max_in_room, MAX_BLOCKS)

    @property
    def speakers(self) -> int:
        """How many speakers are remembered."""
        return self._blocks.speakers

    def cooling(self, room: str, speaker: str, start: float, seconds: float) -> frozenset[str]:
        """Labels for which this speaker was blocked in the `seconds` before `start`, excluding `start` itself."""
        blocks = self._blocks.of(room, speaker)
        return frozenset().union(*(block.labels for block in blocks if 0 < start - block.start <= seconds))

    def remember(self, room: str, blocked: Blocked, seconds: float) -> None:
        """Keep a block for a cool-down of `seconds` of speech."""
        self._blocks.expire(room, blocked.start - seconds - LATE_SECONDS)
        if seconds > 0:
            self._blocks.keep(room, blocked)
