"""The bundled rooms, and how they are played as if people spoke now."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from msgspec import structs

from pipeline.audio.files import chunks_of
from pipeline.messages import SAMPLE_RATE, AudioChunk

CHUNK_SECONDS = 0.2
"""As a voice app would send them."""

Put = Callable[[AudioChunk], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Track:
    """One speaker's side of a room."""

    room: str
    room_type: str
    speaker: str
    path: Path


def tracks() -> list[Track]:
    folder = Path(__file__).parent
    rooms = yaml.safe_load((folder / "rooms.yaml").read_text("utf-8"))
    return [
        Track(room, spec["room_type"], speaker, folder / voice["file"])
        for room, spec in rooms.items()
        for speaker, voice in spec["speakers"].items()
    ]


@dataclass(frozen=True, slots=True)
class Playback:
    """How the times of the speech and the clock go together; `speed` 2 is twice as fast as people speak."""

    start: float
    """UTC seconds, of both."""
    speed: float = 1.0

    def played_at(self, moment: float) -> float:
        """When a moment of the speech is played, by the clock; UTC seconds."""
        return self.start + (moment - self.start) / self.speed


async def play(put: Put, playback: Playback) -> None:
    """Every track at once, each chunk when it has been spoken."""
    async with asyncio.TaskGroup() as group:
        for track in tracks():
            group.create_task(_play_track(track, put, playback))


async def _play_track(track: Track, put: Put, playback: Playback) -> None:
    for whole in chunks_of(track.path, track.room, track.speaker, track.room_type, playback.start):
        for chunk in _slices(whole):
            await asyncio.sleep(playback.played_at(chunk.start + CHUNK_SECONDS) - time.time())
            await put(chunk)


def _slices(whole: AudioChunk) -> Iterator[AudioChunk]:
    """A chunk of a second as chunks of a fifth."""
    size = 2 * round(CHUNK_SECONDS * SAMPLE_RATE)
    offsets = range(0, max(len(whole.data), 1), size)
    for number, offset in enumerate(offsets):
        yield structs.replace(
            whole,
            sequence=whole.sequence * round(1 / CHUNK_SECONDS) + number,
            start=whole.start + number * CHUNK_SECONDS,
            data=whole.data[offset : offset + size],
            final=whole.final and number == len(offsets) - 1,
        )
