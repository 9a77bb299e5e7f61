"""The chunks of one connection that were sent on, to Kafka or to the local runner, and are not confirmed as stored."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from msgspec import structs

from pipeline.contract.messages import AudioChunk

Confirmation = asyncio.Future[None]


class Sink(Protocol):
    """Takes chunks, e.g. `LocalRunner.put`. While a call waits, the connection is not read.

    Returns None for a chunk that is safe, or a future that is done when the chunk is safe. Cancelling the future gives
    up the chunk.
    """

    async def __call__(self, chunk: AudioChunk) -> Confirmation | None: ...


class UnconfirmedChunks:
    """Allows up to `limit` seconds of unconfirmed audio; `put` waits while there is more.

    Calls `confirmed` when more audio is safe, and `failed` with the error when a chunk fails.
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
        # Unconfirmed chunks with their numbers of samples, oldest first.
        self._waiting: deque[tuple[Confirmation, int, AudioChunk]] = deque()
        self._fault: Exception | None = None
        self._changed = asyncio.Event()
        self.unconfirmed = 0.0  # seconds of unconfirmed audio
        # Number of the first unconfirmed sample. Counting begins at `first`.
        self.samples = first
        # When that sample was spoken, in UTC seconds. Known after the first confirmation.
        self.start = 0.0

    async def put(self, chunk: AudioChunk, samples: int) -> None:
        """Pass a chunk on. Raises the sink's error for this chunk or an earlier one."""
        seconds = samples / chunk.sample_rate
        self.unconfirmed += seconds  # before the wait: if it fails, this chunk is lost, too
        await self._until(lambda: not self._waiting or self.unconfirmed <= self._limit)
        confirmation = await self._sink(chunk)
        if confirmation is None:
            self._count(samples, chunk)
        else:
            # Without the audio, which the sink has: only the time of the chunk is needed.
            self._waiting.append((confirmation, samples, structs.replace(chunk, data=b"")))
            confirmation.add_done_callback(self._settle)

    async def drained(self) -> None:
        """Wait until every chunk is confirmed. Raises the same errors as `put`."""
        await self._until(lambda: not self._waiting)

    def abandon(self) -> None:
        """Give up all chunks that are not confirmed."""
        for confirmation, *_ in self._waiting:
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
            fault = confirmation.exception()
            if self._fault:
                continue  # an earlier chunk is lost, and the client must send this one again with it
            if fault:
                self._fail(fault)
            else:
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
