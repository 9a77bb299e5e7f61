"""Rooms full of people who speak the clips of tests/data, at times that are known beforehand."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from random import Random

import numpy as np

from pipeline.audio.decode import read_file
from pipeline.audio.encode import to_pcm16
from pipeline.audio.resample import Samples
from pipeline.messages import SAMPLE_RATE, AudioChunk

CLIPS = Path(__file__).parent.parent / "tests" / "data"
START = 1_700_000_000.0


@dataclass(frozen=True, slots=True)
class Span:
    """Somebody's speech, UTC seconds."""

    room: str
    speaker: str
    start: float
    end: float

    def overlaps(self, other: "Span") -> bool:
        return self.start < other.end and other.start < self.end


@lru_cache(maxsize=1)
def clips() -> tuple[Samples, ...]:
    return tuple(np.concatenate(list(read_file(path))) for path in sorted(CLIPS.glob("*.flac")))


def talk(seconds: float, random: Random) -> Samples:
    """Clips with pauses of one to four seconds between them."""
    pieces: list[Samples] = []
    while sum(map(len, pieces)) < seconds * SAMPLE_RATE:
        pause = np.zeros(round(random.uniform(1, 4) * SAMPLE_RATE), np.float32)
        pieces += [pause, random.choice(clips())]
    return np.concatenate(pieces)


def rooms(count: int, speakers: int, seconds: float, seed: int) -> Iterator[AudioChunk]:
    """Chunks of a second of all speakers, in the order in which they are spoken; each speaker's last one is final."""
    random = Random(seed)
    streams = [
        chunks(f"room-{room}", f"speaker-{speaker}", talk(seconds, random))
        for room in range(count)
        for speaker in range(speakers)
    ]
    yield from sorted((chunk for stream in streams for chunk in stream), key=lambda chunk: chunk.start)


def chunks(room: str, speaker: str, samples: Samples) -> Iterator[AudioChunk]:
    count = -(-len(samples) // SAMPLE_RATE)
    for number in range(count):
        yield AudioChunk(
            room=room,
            speaker=speaker,
            start=START + number,
            sequence=number,
            final=number == count - 1,
            data=to_pcm16(samples[number * SAMPLE_RATE : (number + 1) * SAMPLE_RATE]),
        )


def merged(spans: Sequence[Span]) -> list[Span]:
    """Spans of one speaker that overlap become one, as the store makes one case of them."""
    found: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.room, span.speaker, span.start)):
        last = found[-1] if found else None
        if last and (last.room, last.speaker) == (span.room, span.speaker) and last.overlaps(span):
            found[-1] = Span(span.room, span.speaker, last.start, max(last.end, span.end))
        else:
            found.append(span)
    return found
