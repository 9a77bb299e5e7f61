"""Load shedding for the transcribe stage. A skipped utterance is not decoded. It gives a transcript that says so."""

import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from pipeline.base.metrics import Metrics, from_zero
from pipeline.contract.messages import EarlyUtterance, Transcript, Utterance
from pipeline.contract.stage import NO_BACKLOG, Backlog, Processor, Rejected
from pipeline.speech.asr.transcripts import wordless
from pipeline.speech.overload import Valve

log = logging.getLogger(__name__)


class Shedding(Processor[Utterance, Transcript]):
    """Passes the utterances that the valve hears to `inner`, which returns one output per utterance, in order.

    `clock` is any monotonic clock in seconds. It measures the speed of `inner`. `was_early` says whether the last batch
    used early results: then its time is not the time of its work.
    """

    def __init__(
        self,
        inner: Processor[Utterance, Transcript],
        valve: Valve,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
        was_early: Callable[[], bool] = lambda: False,
    ) -> None:
        self._inner = inner
        self._valve = valve
        self._metrics = metrics
        self._clock = clock
        self._was_early = was_early
        self._ended = clock()
        self._backlog = NO_BACKLOG
        self._episode: Counter[str] = Counter()
        from_zero(metrics.coverage, valve.kinds, ("heard", "skipped"))

    def early(self, messages: Sequence[EarlyUtterance]) -> None:
        if not self._valve.pressure:
            self._inner.early(messages)

    def ready(self, messages: Sequence[Utterance]) -> list[Utterance]:
        return list(messages) if self._valve.pressure else self._inner.ready(messages)

    def behind(self, backlog: Backlog) -> None:
        self._inner.behind(backlog)
        before = self._valve.pressure
        self._backlog = backlog
        self._valve.observe(backlog)
        self._metrics.overload_pressure.set(self._valve.pressure)
        self._metrics.catch_up_seconds.set(self._valve.catch_up)
        if self._valve.pressure and not before:
            self._log_begin(backlog)
        elif before and not self._valve.pressure:
            self._log_end()

    def process(self, batch: Sequence[Utterance]) -> list[Transcript | Rejected]:
        chosen = [self._valve.hears(utterance) for utterance in batch]
        admitted = [utterance for utterance, hears in zip(batch, chosen, strict=True) if hears]
        outcomes = iter(self._timed(admitted) if admitted else [])
        results = [next(outcomes) if hears else skipped(u) for u, hears in zip(batch, chosen, strict=True)]
        self._count(batch, chosen)
        return results

    def tick(self, now: float) -> list[Transcript | Rejected]:
        self.behind(replace(self._backlog, waited=0.0))  # ticks come only while no message has waited for long
        self._metrics.catch_up_seconds.set(0)
        return self._inner.tick(now)

    def drain(self) -> list[Transcript | Rejected]:
        return self._inner.drain()

    def close(self) -> None:
        self._inner.close()

    def _timed(self, admitted: Sequence[Utterance]) -> list[Transcript | Rejected]:
        """Process utterances, and measure the speed. If they waited, the time since the last batch counts, too."""
        began = self._clock()
        between = min(began - self._ended, max(self._backlog.waited, 0.0))
        outcomes = self._inner.process(admitted)
        self._ended = self._clock()
        if not self._was_early():
            self._valve.speed.add(len(admitted), between + self._ended - began)
        return outcomes

    def _log_begin(self, backlog: Backlog) -> None:
        catch_up = self._valve.catch_up
        reason = f"to catch up would take {catch_up:.0f} s" if catch_up < math.inf else "more arrives than is heard"
        log.warning("overload: speech waits for %.0f s and %s; some utterances are skipped", backlog.waited, reason)

    def _log_end(self) -> None:
        log.warning("overload ended: %d utterances heard, %d skipped", self._episode["heard"], self._episode["skipped"])
        self._episode.clear()

    def _count(self, batch: Sequence[Utterance], chosen: Sequence[bool]) -> None:
        for utterance, hears in zip(batch, chosen, strict=True):
            result = "heard" if hears else "skipped"
            self._metrics.coverage.labels(self._valve.kind(utterance.room_type), result).inc()
            if self._valve.pressure:
                self._episode[result] += 1


def skipped(utterance: Utterance) -> Transcript:
    """The transcript of a skipped utterance. It has no text, but the address of the audio."""
    return wordless(utterance, skipped=True, model="none")
