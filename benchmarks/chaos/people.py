"""The people of a run: speakers, whose app uses our client, and a moderator."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from random import Random
from threading import Event, Thread

from benchmarks.chaos.marks import FRAME_SECONDS, marked
from pipeline.base.errors import CaseError, DependencyError
from pipeline.connect.client.reconnecting import StreamError
from pipeline.connect.client.speaker_stream import SpeakerStream
from pipeline.review.cases.case_values import Choice, Filters
from pipeline.review.review_store import ReviewStore, open_store
from pipeline.settings import Settings
from pipeline.speech.audio.resample import Samples
from tests.speech import Voice, talk

TOKEN = "chaos-clients-of-the-benchmark"  # noqa: S105
CLOSE_SECONDS = 240.0
"""How long a speaker waits for the last acknowledgement. A broker may take minutes to come back."""
LOOK_SECONDS = 0.25
PAGE = 200


def voices(rooms: int, speakers: int, seconds: float, seed: int) -> dict[Voice, Samples]:
    """The speech of each speaker in each room. The same seed gives the same samples."""
    random = Random(seed)
    names = [(f"room-{room}", f"speaker-{speaker}") for room in range(rooms) for speaker in range(speakers)]
    return {voice: talk(seconds, random) for voice in names}


class Crowd:
    """All speakers, in a thread of their own. Each works like a microphone: a frame is due when it is spoken."""

    def __init__(self, audio: Mapping[Voice, Samples], address: str) -> None:
        self.refused: list[str] = []
        """Speakers that the gateway refused for good, with the reason."""
        self.dropped = 0.0
        """Seconds that the clients dropped, because their audio waited too long."""
        self._frames = {voice: marked(voice, samples) for voice, samples in audio.items()}
        self._address = address
        self._thread = Thread(target=lambda: asyncio.run(self._talk()), name="speakers", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wait(self, seconds: float) -> bool:
        """Whether all speakers sent all frames within `seconds`."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    async def _talk(self) -> None:
        started = time.time()
        await asyncio.gather(*(self._say(voice, frames, started) for voice, frames in self._frames.items()))

    async def _say(self, voice: Voice, frames: list[bytes], started: float) -> None:
        try:
            async with SpeakerStream(self._address, TOKEN, *voice, close_seconds=CLOSE_SECONDS) as stream:
                for number, frame in enumerate(frames, 1):
                    await asyncio.sleep(started + number * FRAME_SECONDS - time.time())
                    await stream.send(frame)
        except StreamError as error:
            self.refused.append(f"{'/'.join(voice)}: {error}")
        self.dropped += stream.dropped_seconds + stream.unacknowledged_seconds


class Decider:
    """`with Decider(settings) as decider`: a moderator decides each case at once, and counts them.

    So later flags of the same speech meet a decided case.
    """

    def __init__(self, settings: Settings) -> None:
        self.decided = 0
        self._settings = settings
        self._over = Event()
        self._thread = Thread(target=self._run, name="moderator", daemon=True)

    def __enter__(self) -> "Decider":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        store = open_store(self._settings)
        while not self._over.wait(LOOK_SECONDS):
            with suppress(DependencyError):  # the store is locked or away; try again later
                self._decide_all(store)
        store.close()

    def _decide_all(self, store: ReviewStore) -> None:
        for case in store.cases(Filters(status="pending"), limit=PAGE):
            with suppress(CaseError):  # the case was merged into another one meanwhile
                store.decide(case.id, "chaos", Choice(verdict="uphold"), time.time())
                self.decided += 1
