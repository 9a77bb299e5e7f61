"""The bundled demo rooms, and their playback as live audio."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from msgspec import structs

from pipeline.contract.messages import SAMPLE_RATE, AudioChunk
from pipeline.speech.audio.recording_parts import chunks_of
from pipeline.speech.audio.speech_track import RESET
from pipeline.speech.audio.vad import WINDOW

CHUNK_SECONDS = 0.2  # length of the chunks, as a voice app sends them

Put = Callable[[AudioChunk], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Track:
    """The recording of one speaker in a room."""

    room: str
    room_type: str
    speaker: str
    path: Path


def tracks() -> list[Track]:
    """The recordings of all speakers in all demo rooms."""
    folder = Path(__file__).parent / "demo"
    rooms = yaml.safe_load((folder / "rooms.yaml").read_text("utf-8"))
    return [
        Track(room, spec["room_type"], speaker, folder / voice["file"])
        for room, spec in rooms.items()
        for speaker, voice in spec["speakers"].items()
    ]


@dataclass(frozen=True, slots=True)
class DemoPlayback:
    """Maps the time of the speech to the clock. `speed` 2 plays twice as fast as people speak."""

    start: float
    """Start of the speech and of its playback, UTC seconds."""
    speed: float = 1.0

    def played_at(self, moment: float) -> float:
        """The clock time at which `moment` of the speech is played. Both are UTC seconds."""
        return self.start + (moment - self.start) / self.speed


def next_start(now: float) -> float:
    """The first moment from `now` (UTC seconds) at which the voice activity detector is reset."""
    # Speech is cut on a grid of time. So a playback that starts on the grid always gives the same utterances and texts.
    grid = RESET * WINDOW / SAMPLE_RATE
    return math.ceil(now / grid) * grid


async def play(put: Put, playback: DemoPlayback) -> None:
    """Play all tracks at the same time. Each chunk is `put` when its speech ends."""
    async with asyncio.TaskGroup() as group:
        for track in tracks():
            group.create_task(_play_track(track, put, playback))


async def _play_track(track: Track, put: Put, playback: DemoPlayback) -> None:
    for whole in chunks_of(track.path, track.room, track.speaker, track.room_type, playback.start):
        for chunk in _slices(whole):
            await asyncio.sleep(playback.played_at(chunk.start + CHUNK_SECONDS) - time.time())
            await put(chunk)


def _slices(whole: AudioChunk) -> Iterator[AudioChunk]:
    """Split a chunk of one second into chunks of CHUNK_SECONDS."""
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
