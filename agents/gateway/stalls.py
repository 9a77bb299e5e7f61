"""Measure for how long the gateway stood still: a frozen process, a machine that swaps, a busy event loop."""

import asyncio
import time
from collections.abc import Callable

LOOK_SECONDS = 0.1
STALL_SECONDS = 0.5  # a timer that comes later than this is no jitter


class Stalls:
    """`seconds` is the sum of all stalls of the event loop since `watch`. `ticks` returns monotonic seconds.

    A wait for a client cannot tell its silence from a stall. Audio that arrives after a stall was sent during it.
    """

    def __init__(self, ticks: Callable[[], float] = time.monotonic) -> None:
        self.seconds = 0.0
        self._ticks = ticks
        self._timer: asyncio.TimerHandle | None = None

    def watch(self) -> None:
        """Begin in the running loop."""
        # A callback of the loop, no task: so it runs before the tasks that the data behind a stall wakes.
        self._timer = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look, self._ticks() + LOOK_SECONDS)

    def stop(self) -> None:
        if self._timer:
            self._timer.cancel()

    def _look(self, due: float) -> None:
        late = self._ticks() - due
        if late > STALL_SECONDS:
            self.seconds += late
        self.watch()
