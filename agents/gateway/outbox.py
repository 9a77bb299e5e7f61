"""What one connection has handed on and the pipeline has not confirmed yet."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from msgspec import structs

from pipeline.messages import AudioChunk

Confirmation = asyncio.Future[None]


class Sink(Protocol):
    """Takes chunks on, e.g. `LocalRunner.put`. As long as it waits, the connection is not read.

    It gives None for a chunk that is safe, or a future that ends when it is. Cancelling the future gives the chunk up.
    """

    async def __call__(self, chunk: AudioChunk) -> Confirmation | None: ...


class Outbox:
    """Lets up to `limit` seconds of audio be unconfirmed; `put` waits beyond them.

    `confirmed` is told when more is safe, `failed` the error when a chunk cannot be handed on.
    """

    def __init__(
        self,
        sink: Sink,
        limit: float,
        first: int,
        confirmed: Callable[[], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._sink = sink
        self._limit = limit
        self._confirmed = confirmed
        self._failed = failed
        self._waiting: deque[tuple[Confirmation, int, AudioChunk]] = deque()
        """With samples, oldest first."""
        self._fault: Exception | None = None
        self._changed = asyncio.Event()
        self.unconfirmed = 0.0
        """Seconds of audio."""
        self.samples = first
        """Number of the first sample that is not confirmed; sample `first` is the first that is put."""
        self.start = 0.0
        """When that sample was spoken, UTC seconds; known once one before it is confirmed."""

    async def put(self, chunk: AudioChunk, samples: int) -> None:
        """Hand a chunk on; raises what the sink says of this or an earlier one."""
        seconds = samples / chunk.sample_rate
        self.unconfirmed += seconds
        await self._until(lambda: self.unconfirmed <= max(self._limit, seconds))
        confirmation = await self._sink(chunk)
        if confirmation is None:
            self._count(samples, chunk)
        else:
            self._waiting.append((confirmation, samples, structs.replace(chunk, data=b"")))
            confirmation.add_done_callback(self._settle)

    async def drained(self) -> None:
        """Return when all is confirmed; raises as `put` does."""
        await self._until(lambda: not self._waiting)

    def abandon(self) -> None:
        """Give up what is not confirmed."""
        for confirmation, _, _ in self._waiting:
            confirmation.remove_done_callback(self._settle)
            confirmation.cancel()
        self._waiting.clear()

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not self._fault and not condition():
            self._changed.clear()
            await self._changed.wait()
        if self._fault:
            raise self._fault

    def _settle(self, _: Confirmation) -> None:
        while self._waiting and self._waiting[0][0].done():
            confirmation, samples, chunk = self._waiting.popleft()
            if fault := confirmation.exception():
                self._fail(fault)
                return
            self._count(samples, chunk)
        self._changed.set()

    def _count(self, samples: int, chunk: AudioChunk) -> None:
        seconds = samples / chunk.sample_rate
        self.samples += samples
        self.start = chunk.start + seconds
        self.unconfirmed -= seconds
        self._confirmed()

    def _fail(self, fault: BaseException) -> None:
        self._fault = fault if isinstance(fault, Exception) else RuntimeError(str(fault))
        self._changed.set()
        self._failed(self._fault)
