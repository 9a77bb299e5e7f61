"""Texts that wait for the judge. Programs take turns, and live speech of the same process goes before all of them."""

import asyncio
import math
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import TypeVar

from pipeline.base.cpu_cores import step_back
from pipeline.base.http_problems import TooManyError
from pipeline.base.rate_limits import TokenBucket
from pipeline.judge.classifier import slices

T = TypeVar("T")

PART = 4_000
"""Characters of a request, or a single text, after which the texts of the next program have their turn."""
SHARE = 0.2
"""Share of the thread's time that a program may use beside live rooms."""
BURST_SECONDS = 15.0
"""Time of the thread that a program may use at once. A request that needs as much more is cut off."""
MOST_WAITING = 64
"""Requests of all programs that wait."""


class TextQueue:
    """Judges texts on one thread, part by part. A program has one part in the queue, so programs take turns.

    `beside_live` says whether the process moderates live rooms, too. Then the thread steps back, and a program that has
    used more than its share has to wait. `ticks` returns monotonic seconds.
    """

    def __init__(self, beside_live: bool, ticks: Callable[[], float] = time.monotonic) -> None:
        self._ticks = ticks
        self._share = SHARE if beside_live else 1.0  # alone, a program may use all of the time
        self._thread = ThreadPoolExecutor(1, "texts", step_back if beside_live else None)
        self._turns: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._budgets: dict[int, TokenBucket] = {}
        self._waiting = 0

    def close(self) -> None:
        self._thread.shutdown(cancel_futures=True)

    def check(self, owner: int, debt: float = 0.0) -> None:
        """Raise TooManyError if this program has used up its share and `debt` more seconds."""
        seconds = self._budget(owner).wait(debt)
        if seconds > 0:
            raise TooManyError(
                "The texts of this token have used up their share of the CPU",
                "Send fewer or shorter texts.",
                retry_seconds=math.ceil(seconds),
            )

    async def judged(self, owner: int, texts: Sequence[str], judge: Callable[[Sequence[str]], list[T]]) -> list[T]:
        """Return what `judge` returns for all texts. Raises TooManyError."""
        if self._waiting >= MOST_WAITING:
            raise TooManyError(f"{MOST_WAITING} requests with texts wait", "Send it again later.")
        self._waiting += 1
        try:
            async with self._turns[owner]:
                self.check(owner)
                return [each for part in slices(texts, PART) for each in await self._judged(owner, texts[part], judge)]
        finally:
            self._waiting -= 1

    async def _judged(self, owner: int, part: Sequence[str], judge: Callable[[Sequence[str]], list[T]]) -> list[T]:
        self.check(owner, BURST_SECONDS)
        timed = partial(copy_context().run, self._timed, judge, part)  # with the context, the log names the request
        found, seconds = await asyncio.get_running_loop().run_in_executor(self._thread, timed)
        self._budget(owner).owe(seconds)
        return found

    def _timed(self, judge: Callable[[Sequence[str]], list[T]], part: Sequence[str]) -> tuple[list[T], float]:
        begun = self._ticks()
        return judge(part), self._ticks() - begun

    def _budget(self, owner: int) -> TokenBucket:
        return self._budgets.setdefault(owner, TokenBucket(self._share, BURST_SECONDS, self._ticks))
