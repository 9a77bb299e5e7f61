"""Keeps the faults of a stage that nothing waits for from all other stages, and switches it off while it fails."""

import logging
import math
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from pipeline.base.errors import VoxwardenError
from pipeline.base.metrics import Metrics
from pipeline.contract.stage import NO_BACKLOG, Backlog, Processor, place_of

FAILURES = 3
"""So many failures within WINDOW_SECONDS switch the stage off."""
WINDOW_SECONDS = 60.0
OFF_SECONDS = 60.0

log = logging.getLogger(__name__)


class SparedStage(Processor[Any, Any]):
    """The processor of a stage that `spares`. It never fails: a failure costs only the messages in hand.

    Three failures within a minute switch the stage off for a minute. Then `build` makes a fresh processor. `spared` of
    the last processor counts what is left out. `timer` returns seconds that never go back. The constructor raises
    VoxwardenError, for example for a wrong setting. Such a stage has no early messages.
    """

    def __init__(
        self, name: str, build: Callable[[], Processor[Any, Any]], metrics: Metrics, timer: Callable[[], float]
    ) -> None:
        self._name, self._build, self._timer = name, build, timer
        self._gauge = metrics.stage_off.labels(name)
        self._processor: Processor[Any, Any] | None = None
        self._counter: Processor[Any, Any] | None = None  # the last processor, also after it was closed
        self._backlog = NO_BACKLOG
        self._failed_at: deque[float] = deque(maxlen=FAILURES)
        self._off_until = -math.inf
        self._is_off = False  # until a batch succeeds
        try:
            self._renew()
        except VoxwardenError:
            raise
        except Exception as error:
            self._fail(error)

    def process(self, batch: Sequence[Any]) -> list[Any]:
        outputs = self._attempt(lambda processor: self._handle(processor, batch))
        if outputs is None:
            for _ in batch:
                self.spared()
        return outputs or []

    def behind(self, backlog: Backlog) -> None:
        self._backlog = backlog  # for the batch that follows, so that a fault here costs no more than this batch

    def spared(self) -> None:
        if self._counter:
            self._counter.spared()

    def tick(self, now: float) -> list[Any]:
        return self._attempt(lambda processor: processor.tick(now)) or []

    def drain(self) -> list[Any]:
        return self._attempt(lambda processor: processor.drain()) or []

    def close(self) -> None:
        processor, self._processor = self._processor, None
        try:
            if processor:
                processor.close()
        except Exception as error:
            log.error("%s was not closed: %s", self._name, place_of(error))

    def _attempt(self, work: Callable[[Processor[Any, Any]], list[Any]]) -> list[Any] | None:
        """Return the result of `work`; None if it fails, or while the stage is off."""
        if self._timer() < self._off_until:
            return None
        try:
            return work(self._processor or self._renew())
        except Exception as error:
            self._fail(error)
            return None

    def _renew(self) -> Processor[Any, Any]:
        self._processor = self._counter = self._build()
        return self._processor

    def _handle(self, processor: Processor[Any, Any], batch: Sequence[Any]) -> list[Any]:
        processor.behind(self._backlog)
        outputs = processor.handle(batch)
        if self._is_off:
            self._switch(off=False)
            log.warning("%s works again", self._name)
        return outputs

    def _fail(self, error: Exception) -> None:
        now = self._timer()
        reason = error if isinstance(error, VoxwardenError) else f"an unexpected {place_of(error)}"
        log.error("%s leaves out the messages in hand: %s", self._name, reason)
        self._failed_at.append(now)
        if len(self._failed_at) < FAILURES or now - self._failed_at[0] > WINDOW_SECONDS:
            return
        self._failed_at.clear()
        self._off_until = now + OFF_SECONDS
        self._switch(off=True)
        self.close()
        log.error("%s is off for %.0f s after %d failures. No other stage stops", self._name, OFF_SECONDS, FAILURES)

    def _switch(self, *, off: bool) -> None:
        self._is_off = off
        self._gauge.set(off)
