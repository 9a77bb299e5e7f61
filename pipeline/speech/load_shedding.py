"""Load shedding: under overload the transcribe stage skips some utterances, by the settings, and reports each of them.
The listen stage does the same with the audio of a speaker, for a minute at a time.

Utterances are skipped only if two conditions hold together:
- Speech is late: the oldest utterance has waited for more than `start_seconds`.
- The worker cannot catch up. At its measured speed, and with the current arrivals, the backlog takes longer than
  `catch_up_seconds`, or longer than half of the time until it expires.
A short outage makes speech late. But a worker that is fast enough catches up, and all utterances are transcribed.

Each condition gives a number from 0 to 1. The smaller number is the pressure. As the pressure grows, the room types of
`settings.overload.room_types` are reduced one after the other, each down to its minimum share. The id of an utterance
decides whether it is heard. An utterance that is heard under some pressure is also heard under any lower pressure. A
redelivery under the same pressure selects the same utterances.
"""

import logging
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import blake2b
from statistics import median

from pipeline.base.metrics import Metrics, from_zero
from pipeline.contract.messages import NO_MODEL, EarlyUtterance, Transcript, Utterance
from pipeline.contract.stage import NO_BACKLOG, Backlog, Processor, Rejected
from pipeline.settings import Overload
from pipeline.speech.asr.transcripts import wordless

log = logging.getLogger(__name__)

OTHER = "other"

MEASURED_UTTERANCES = 256
"""The speed is measured over this number of the latest utterances."""
ENOUGH_UTTERANCES = 32
"""With fewer utterances the speed is unknown. The first batch may be slow, and must not cause skipping."""

FULL_TIMES = 5.0
"""Only the minimum shares are transcribed once speech waits for this many times `start_seconds`."""
RECOVER_SECONDS = 60.0
"""Shortest time from the minimum shares back to all utterances, so that a short pause does not bring back too many."""

WINDOW_SECONDS = 60.0
"""The arrival rate is measured over this time, because rooms have short quiet periods."""
SHORTEST_SECONDS = 10.0
"""Over a shorter time the arrival rate is unknown."""


class DecodingSpeed:
    """The utterances per second that a worker transcribes. It is a median: one slow batch does not change it."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=MEASURED_UTTERANCES)

    def add(self, utterances: int, seconds: float) -> None:
        """Record that a batch of `utterances` took `seconds`."""
        if utterances:
            self._seconds.extend([seconds / utterances] * utterances)

    @property
    def per_second(self) -> float:
        """Utterances per second; NaN while fewer than ENOUGH_UTTERANCES were measured."""
        if len(self._seconds) < ENOUGH_UTTERANCES:
            return math.nan
        each = median(self._seconds)
        return 1 / each if each else math.inf


class Arrivals:
    """The arrival rate of messages, measured from samples of their total number."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, float]] = deque()

    def see(self, total: float, now: float) -> None:
        """Record that `total` messages had arrived at `now`, in seconds of any monotonic clock."""
        self._looks.append((now, total))
        while now - self._looks[0][0] > WINDOW_SECONDS:
            self._looks.popleft()

    def forget(self) -> None:
        self._looks.clear()

    @property
    def rate(self) -> float:
        """Messages per second over the last minute; NaN while the samples span less than SHORTEST_SECONDS."""
        if not self._looks:
            return math.nan
        (first, before), (last, total) = self._looks[0], self._looks[-1]
        return (total - before) / (last - first) if last - first >= SHORTEST_SECONDS else math.nan


class Valve:
    """Computes the pressure and decides which utterances are heard. `clock` is any monotonic clock in seconds."""

    def __init__(self, overload: Overload, clock: Callable[[], float] = time.monotonic) -> None:
        self._overload = overload
        self._least = {kind.name: kind.share for kind in overload.room_types}
        self._order = {kind.name: place for place, kind in enumerate(overload.room_types)}
        self._clock = clock
        self._seen = clock()
        self._late = 0.0
        self.speed = DecodingSpeed()
        self.catch_up = 0.0
        """Predicted seconds until the backlog is cleared; inf: never; NaN: unknown."""
        self.pressure = 0.0

    def observe(self, backlog: Backlog) -> None:
        """Compute the pressure from the current backlog."""
        now = self._clock()
        # Lateness rises at once and falls slowly. Otherwise a short pause would bring back too many utterances.
        fallen = self._late - (now - self._seen) / RECOVER_SECONDS
        self._seen = now
        start = self._overload.start_seconds
        late = _ramp(backlog.waited, start, FULL_TIMES * start)
        self._late = max(late, fallen, 0.0)
        self.catch_up = catch_up_seconds(backlog, self.speed.per_second)
        horizon = self._horizon(backlog)
        hopeless = _ramp(self.catch_up, horizon, 2 * horizon)
        self.pressure = min(self._late, hopeless) if self._overload.enabled else 0.0

    @property
    def kinds(self) -> list[str]:
        """The room types that the settings list, and `other`: all values that `kind` can return."""
        return list(dict.fromkeys([*self._order, OTHER]))

    def kind(self, room_type: str) -> str:
        """The room type if the settings list it, else `other`. So metric labels come from a closed set."""
        return room_type if room_type in self._order else OTHER

    def share(self, room_type: str) -> float:
        """The share of the room type's utterances that is heard now, between its minimum share and 1."""
        kind = self.kind(room_type)
        if kind not in self._order:
            return 1.0
        # Each room type has an equal part of the pressure: it is thinned to its minimum before the next one begins.
        thinned = _unit(self.pressure * len(self._order) - self._order[kind])
        return 1 - thinned * (1 - self._least[kind])

    def hears(self, utterance: Utterance) -> bool:
        """Whether `utterance` is transcribed under the current pressure."""
        return self.draws(utterance.id, utterance.room_type)

    def draws(self, name: str, room_type: str) -> bool:
        """Whether work with this name is done under the current pressure, in a room of this type."""
        return lot(name) < self.share(room_type)

    def _horizon(self, backlog: Backlog) -> float:
        """Seconds of catch-up time up to which nothing is skipped.

        At twice this time only the minimum shares are heard. It is at most half of the time until the backlog expires.
        """
        left = (backlog.retention - backlog.waited) / 2
        # `left` is negative for a backlog that is older than its retention. The horizon must stay positive.
        return max(self._overload.start_seconds, min(self._overload.catch_up_seconds, left))


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
        # Under pressure no worker is idle, and the utterance itself may be skipped.
        if not self._valve.pressure:
            self._inner.early(messages)

    def early_outputs(self) -> list[Transcript]:
        return self._inner.early_outputs()

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
        results = [
            next(outcomes) if hears else wordless(u, skipped=True, model=NO_MODEL)
            for u, hears in zip(batch, chosen, strict=True)
        ]
        self._count(batch, chosen)
        return results

    def tick(self, now: float) -> list[Transcript | Rejected]:
        self.behind(replace(self._backlog, waited=0.0))  # ticks come only while no message has waited for long
        # The messages of the last known backlog are done by now.
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
        # Early results would make the worker look faster than it is.
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


def catch_up_seconds(backlog: Backlog, speed: float) -> float:
    """Seconds until the backlog is cleared at `speed` messages per second; inf: never; NaN: unknown."""
    if backlog.messages == 0:
        return 0.0
    spare = speed - backlog.arrivals
    # An unknown speed gives NaN, which never causes skipping.
    return backlog.messages / spare if spare > 0 or math.isnan(spare) else math.inf


def lot(id_: str) -> float:
    """A number from 0 to 1 (excluded), derived from the id. It is evenly distributed over ids."""
    # Not `hash`, which differs between processes. A float holds 53 bits: more would round some lots up to 1.
    return (int.from_bytes(blake2b(id_.encode(), digest_size=8).digest()) >> 11) / 2**53


def _ramp(value: float, start: float, end: float) -> float:
    """0 up to `start`, 1 from `end` on, linear in between. 0 for NaN: an unknown value must not cause skipping."""
    return _unit((value - start) / (end - start)) if value > start else 0.0


def _unit(value: float) -> float:
    return min(max(value, 0.0), 1.0)
