"""People who talk in rooms all day, each over a connection to the gateway. They say what the project ships."""

import asyncio
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from threading import Event, Thread

import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.runner.demo_rooms import tracks
from pipeline.speech.audio.decode import samples_of
from pipeline.speech.audio.encode import to_pcm16
from pipeline.speech.audio.resample import Samples
from tests.speech import talk

FRAME = SAMPLE_RATE // 5
"""Samples in a frame, 0.2 s."""
FORM = "codec=pcm_s16le&sample_rate=16000"
QUIET_ROOMS = ("game", "kids")
"""Types of the rooms in which nobody breaks a rule."""
LOOP_SECONDS = 120.0
RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class IncidentSpeaker:
    """A person who says the same again and again. `samples` are 16 kHz mono, shape (samples,)."""

    room: str
    room_type: str
    name: str
    samples: Samples

    @property
    def path(self) -> str:
        return f"/v1/rooms/{self.room}/speakers/{self.name}/audio?{FORM}&room_type={self.room_type}"

    def frames(self) -> list[bytes]:
        pcm = to_pcm16(np.concatenate([self.samples, np.zeros(-self.samples.size % FRAME, np.float32)]))
        return [pcm[at : at + 2 * FRAME] for at in range(0, len(pcm), 2 * FRAME)]


def everyone() -> list[IncidentSpeaker]:
    """The four speakers of the demo, who break rules, and two who do not."""
    random = Random(1)
    loud = [IncidentSpeaker(track.room, track.room_type, track.speaker, samples_of(track.path)) for track in tracks()]
    quiet = [
        IncidentSpeaker(f"room-{room}", kind, f"speaker-{room}", talk(LOOP_SECONDS, random))
        for room, kind in enumerate(QUIET_ROOMS)
    ]
    return loud + quiet


def campaign(path: Path, count: int) -> list[IncidentSpeaker]:
    """`count` people who all say what is in the recording, each in a room of their own."""
    return [IncidentSpeaker(f"campaign-{n}", "default", f"member-{n}", samples_of(path)) for n in range(count)]


@contextmanager
def talking(speakers: Sequence[IncidentSpeaker], port: int, token: str) -> Iterator[None]:
    """Let the speakers talk to the gateway on `port` while the block runs."""
    over = Event()
    thread = Thread(target=lambda: asyncio.run(_talk(speakers, port, token, over)), name="speakers")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


async def _talk(speakers: Sequence[IncidentSpeaker], port: int, token: str, over: Event) -> None:
    async with asyncio.TaskGroup() as group:
        for speaker in speakers:
            group.create_task(_live(speaker, f"ws://127.0.0.1:{port}{speaker.path}", token, over))


async def _live(speaker: IncidentSpeaker, url: str, token: str, over: Event) -> None:
    """Talk, and connect again when the gateway ends the connection."""
    frames = await asyncio.to_thread(speaker.frames)
    while not over.is_set():
        with suppress(OSError, WebSocketException, TimeoutError):
            async with connect(url, additional_headers={"Authorization": f"Bearer {token}"}, proxy=None) as gateway:
                await _send(frames, gateway, over)
        await asyncio.sleep(RETRY_SECONDS)


async def _send(frames: Sequence[bytes], gateway: ClientConnection, over: Event) -> None:
    """Send each frame when its speech ends."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number, frame in enumerate(itertools.cycle(frames), 1):
        await asyncio.sleep(began + number * FRAME / SAMPLE_RATE - loop.time())
        if over.is_set():
            return
        await gateway.send(frame)
