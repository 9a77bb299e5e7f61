"""Speakers who say the clips of tests/data at known times."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from random import Random

import numpy as np

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.audio.decode import samples_of
from pipeline.speech.audio.resample import Samples

CLIPS = Path(__file__).parent.parent / "tests" / "data"

Voice = tuple[str, str]
"""Room and speaker."""


@dataclass(frozen=True, slots=True)
class SpokenSpan:
    """Speech of one speaker, UTC seconds."""

    room: str
    speaker: str
    start: float
    end: float

    @property
    def voice(self) -> Voice:
        return self.room, self.speaker

    def shared(self, other: "SpokenSpan") -> float:
        """Seconds that both share. Negative: the gap between them."""
        return min(self.end, other.end) - max(self.start, other.start)


@lru_cache(maxsize=1)
def clips() -> tuple[Samples, ...]:
    return tuple(samples_of(path) for path in sorted(CLIPS.glob("*.flac")))


def talk(seconds: float, random: Random) -> Samples:
    """Clips with pauses of one to four seconds between them, 16 kHz, shape (samples,)."""
    pieces: list[Samples] = []
    while sum(map(len, pieces)) < seconds * SAMPLE_RATE:
        pause = np.zeros(round(random.uniform(1, 4) * SAMPLE_RATE), np.float32)
        pieces += [pause, random.choice(clips())]
    return np.concatenate(pieces)


def voices(rooms: int, speakers: int, seconds: float, seed: int) -> dict[Voice, Samples]:
    """The speech of each speaker in each room. The same seed gives the same samples."""
    random = Random(seed)
    names = [(f"room-{room}", f"speaker-{speaker}") for room in range(rooms) for speaker in range(speakers)]
    return {voice: talk(seconds, random) for voice in names}


def merged(spans: Sequence[SpokenSpan], gap: float = 0.0) -> list[SpokenSpan]:
    """Merges spans of one speaker that touch or are at most `gap` seconds apart."""
    found: list[SpokenSpan] = []
    for span in sorted(spans, key=lambda span: (span.voice, span.start)):
        last = found[-1] if found else None
        if last and last.voice == span.voice and last.shared(span) >= -gap:
            found[-1] = SpokenSpan(*span.voice, last.start, max(last.end, span.end))
        else:
            found.append(span)
    return found
