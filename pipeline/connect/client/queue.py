"""The frames of one speaker that the gateway has not acknowledged."""

import asyncio
from collections import deque
from collections.abc import Callable

from pipeline.connect.client.frames import SpokenFrame


class FrameQueue:
    """Holds at most `limit` seconds, oldest first. When it is full, it drops the oldest frame and counts it.

    Each connection takes the frames from the oldest on; `rewind` begins a new connection.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._frames: deque[SpokenFrame] = deque()
        self._taken = 0
        """Number of frames at the front that the present connection has taken."""
        self._changed = asyncio.Event()
        self.seconds = 0.0
        """Seconds of audio in the queue."""
        self.dropped = 0.0
        """Seconds of audio that were dropped."""
        self.acknowledged = 0
        """Number of the first sample that is not acknowledged."""

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def oldest(self) -> SpokenFrame:
        return self._frames[0]

    def put(self, frame: SpokenFrame) -> None:
        self._frames.append(frame)
        self.seconds += frame.seconds
        while self.seconds > self._limit and len(self._frames) > 1:
            self.dropped += self._remove().seconds
        self.wake()

    def acknowledge(self, samples: int) -> SpokenFrame | None:
        """Forget the frames before sample number `samples`. Returns the last of them, or None if there is none.

        A number beyond the frames that were taken is a fault of the gateway, and changes nothing.
        """
        frame = None
        if samples <= self._sent_samples():
            while self._frames and self._frames[0].after <= samples:
                frame = self._remove()
                self.acknowledged = frame.after
        self.wake()
        return frame

    def rewind(self) -> None:
        self._taken = 0

    async def take(self) -> SpokenFrame:
        """Return the next frame for the present connection. It stays in the queue until it is acknowledged."""
        await self.until(lambda: self._taken < len(self._frames))
        self._taken += 1
        return self._frames[self._taken - 1]

    async def settled(self, frame: SpokenFrame) -> None:
        """Wait until every frame before `frame` is acknowledged or dropped."""
        await self.until(lambda: not self._frames or self.oldest.first >= frame.first)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition, which is checked after each change of the queue and each `wake`."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    def wake(self) -> None:
        self._changed.set()

    def _sent_samples(self) -> int:
        return self._frames[self._taken - 1].after if self._taken else 0

    def _remove(self) -> SpokenFrame:
        frame = self._frames.popleft()
        self.seconds = self.seconds - frame.seconds if self._frames else 0.0
        self._taken = max(0, self._taken - 1)
        return frame
