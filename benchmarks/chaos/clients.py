"""Apps that send speech to the gateway as docs/integrate.md says: one connection for each speaker, with reconnects.

A client works like a microphone: a frame is due when it is spoken, whatever the network does. Frames that cannot be
sent wait, up to `QUEUE_SECONDS`. After an outage they are sent somewhat faster than they were spoken.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from threading import Thread
from uuid import uuid4

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from benchmarks.chaos.marks import FRAME, FRAME_SECONDS, marked
from benchmarks.speech import Voice
from pipeline.speech.audio.resample import Samples

FORM = "codec=pcm_s16le&sample_rate=16000"
TOKEN = "chaos-clients-of-the-benchmark"  # noqa: S105
QUEUE_SECONDS = 120.0
FASTER = 1.5
"""A client that is behind sends this many times as fast as people speak."""
LONGEST_PAUSE = 30.0
NO_CODE = 1006
"""The gateway's process died."""
FINAL = {1007, 1009, 4400, 4401, 4409}
"""Close codes after which docs/integrate.md tells clients not to reconnect."""


class Client:
    """One speaker. `frames` are numbered from 0. Frames without acknowledgement are sent again after a break."""

    def __init__(self, voice: Voice, frames: Sequence[bytes], address: str) -> None:
        room, speaker = voice
        self.url = f"{address}/v1/rooms/{room}/speakers/{speaker}/audio?{FORM}&session={uuid4()}"
        self.frames = frames
        self.dropped = 0
        self.codes: Counter[str] = Counter()
        self._next = 0
        self._acknowledged = 0
        """Samples that the gateway acknowledged. All later ones are sent again after a break."""
        self._start = 0.0
        """UTC seconds at which the first sample without acknowledgement was spoken, as the gateway states."""
        self._pause = 0.0

    async def talk(self, started: float) -> None:
        """Send all frames, the first one at `started` (UTC seconds)."""
        while self._next < len(self.frames):
            self._drop_oldest(started)
            try:
                async with self._connected(started) as gateway:
                    await self._converse(gateway, started)
            except ConnectionClosed as closed:
                await self._closed(closed.rcvd.code if closed.rcvd else NO_CODE)
            except (OSError, InvalidHandshake, TimeoutError) as error:
                await self._closed(type(error).__name__)

    def _connected(self, started: float) -> connect:
        start = self._start if self._acknowledged else started + self._next * FRAME_SECONDS
        place = f"first_sample={self._next * FRAME}&start={start}"
        return connect(f"{self.url}&{place}", additional_headers={"Authorization": f"Bearer {TOKEN}"}, proxy=None)

    async def _closed(self, code: int | str) -> None:
        """Reconnect at once, then after 1, 2, 4 … up to 30 s."""
        self.codes[str(code)] += 1
        if code in FINAL:
            raise RuntimeError(f"The gateway closed with {code}, after which a client must not reconnect")
        self._next = self._acknowledged // FRAME
        await asyncio.sleep(self._pause)
        self._pause = min(max(1.0, 2 * self._pause), LONGEST_PAUSE)

    async def _converse(self, gateway: ClientConnection, started: float) -> None:
        listening = asyncio.create_task(self._listen(gateway))
        try:
            await self._send(gateway, started)
            await self._await_acknowledgement(gateway)
        finally:
            listening.cancel()

    async def _listen(self, gateway: ClientConnection) -> None:
        with suppress(ConnectionClosed):  # sending also raises it
            async for note in gateway:
                safe = json.loads(note)
                self._acknowledged, self._start = int(safe["received_samples"]), float(safe["start"])
                self._pause = 0.0

    async def _send(self, gateway: ClientConnection, started: float) -> None:
        sent_at = 0.0
        while self._next < len(self.frames):
            due = max(started + self._next * FRAME_SECONDS, sent_at + FRAME_SECONDS / FASTER)
            await asyncio.sleep(due - time.time())
            if self._oldest(started) > self._next:
                await gateway.close()  # The numbering of samples continues elsewhere; sending raises.
            sent_at = time.time()
            await gateway.send(self.frames[self._next])
            self._next += 1

    async def _await_acknowledgement(self, gateway: ClientConnection) -> None:
        """Wait for the acknowledgement of the last frame."""
        while self._acknowledged < len(self.frames) * FRAME:
            await gateway.ping()  # raises once the connection is closed
            await asyncio.sleep(0.2)

    def _oldest(self, started: float) -> int:
        """The oldest frame that the queue holds."""
        return int((time.time() - started - QUEUE_SECONDS) / FRAME_SECONDS)

    def _drop_oldest(self, started: float) -> None:
        if (oldest := self._oldest(started)) > self._next:
            self.dropped += oldest - self._next
            self._start += (oldest - self._next) * FRAME_SECONDS
            self._next, self._acknowledged = oldest, oldest * FRAME


class Crowd:
    """All clients, in a thread of their own."""

    def __init__(self, voices: Mapping[Voice, Samples], address: str) -> None:
        self.clients = [Client(voice, marked(voice, samples), address) for voice, samples in voices.items()]
        self._thread = Thread(target=lambda: asyncio.run(self._talk()), name="clients", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wait(self, seconds: float) -> bool:
        """Whether all clients sent all frames within `seconds`."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    async def _talk(self) -> None:
        started = time.time()
        await asyncio.gather(*(client.talk(started) for client in self.clients))

    @property
    def codes(self) -> Counter[str]:
        """Close codes of all clients' connections."""
        return sum((client.codes for client in self.clients), Counter())

    @property
    def dropped(self) -> int:
        """Frames that waited too long and were dropped."""
        return sum(client.dropped for client in self.clients)
