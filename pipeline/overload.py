"""Overload: when more is said than can be transcribed, some utterances are skipped, by policy and never in silence.

Nothing is skipped unless two things come together. Speech is late: the oldest utterance has waited for longer than
`start_seconds`. And the worker cannot catch up: at its measured speed, and with what comes in meanwhile, the backlog
takes longer than `catch_up_seconds`, or than half of the time until it expires. A short outage makes speech late, but
a worker with speed to spare catches up, and all is heard.

Each of the two gives a number from 0 to 1, and the smaller one is the pressure. As the pressure grows, the room types
of `settings.overload.room_types` are thinned out one after the other, each down to its smallest share. The id of an
utterance decides whether it is heard. What is heard under a pressure is heard under any lower one, and a redelivery
under the same pressure chooses the same utterances.
"""

import math
import time
from collections import deque
from collections.abc import Callable
from hashlib import blake2b
from statistics import median

from pipeline.messages import Utterance
from pipeline.settings import Overload
from pipeline.stage import Backlog

OTHER = "other"

MEASURED_UTTERANCES = 256
"""The speed is that of so many."""
ENOUGH_UTTERANCES = 32
"""Fewer tell no speed: a first batch may be slow, and nothing is skipped for that."""

WINDOW_SECONDS = 60.0
"""Arrivals are counted over so long: rooms are quiet for moments."""
SHORTEST_SECONDS = 10.0
"""Over a shorter time nothing is known of them."""


class DecodingSpeed:
    """How many utterances a second a worker transcribes. A median: one batch that hangs does not change it."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=MEASURED_UTTERANCES)

    def add(self, utterances: int, seconds: float) -> None:
        """So many took so long."""
        if utterances:
            self._seconds.extend([seconds / utterances] * utterances)

    @property
    def per_second(self) -> float:
        """NaN while too few were measured."""
        if len(self._seconds) < ENOUGH_UTTERANCES:
            return math.nan
        each = median(self._seconds)
        return 1 / each if each else math.inf


class Arrivals:
    """How many messages a second come in, from looks at how many have come so far."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, float]] = deque()

    def see(self, total: float, now: float) -> None:
        """`total` have come until `now`, in seconds from anywhere."""
        self._looks.append((now, total))
        while now - self._looks[0][0] > WINDOW_SECONDS:
            self._looks.popleft()

    def forget(self) -> None:
        self._looks.clear()

    @property
    def rate(self) -> float:
        """Over the last minute; NaN while the looks are too near to each other."""
        if not self._looks:
            return math.nan
        (first, before), (last, total) = self._looks[0], self._looks[-1]
        return (total - before) / (last - first) if last - first >= SHORTEST_SECONDS else math.nan


class Valve:
    """Knows the pressure, and what it leaves. `clock` gives seconds from anywhere."""

    def __init__(self, overload: Overload, clock: Callable[[], float] = time.monotonic) -> None:
        self._overload = overload
        self._least = {kind.name: kind.share for kind in overload.room_types}
        self._order = {kind.name: place for place, kind in enumerate(overload.room_types)}
        self._clock = clock
        self._seen = clock()
        self._late = 0.0
        self.speed = DecodingSpeed()
        self.catch_up = 0.0
        """Seconds until nothing waits; inf: never; NaN: nobody knows."""
        self.pressure = 0.0

    def observe(self, backlog: Backlog) -> None:
        """What waits now. Lateness rises at once and falls slowly, so that a lull does not bring back too much."""
        now = self._clock()
        fallen = self._late - (now - self._seen) / self._overload.recover_seconds
        self._seen = now
        late = _ramp(backlog.waited, self._overload.start_seconds, self._overload.full_seconds)
        self._late = max(late, fallen, 0.0)
        self.catch_up = catch_up_seconds(backlog, self.speed.per_second)
        horizon = self._horizon(backlog)
        hopeless = _ramp(self.catch_up, horizon, 2 * horizon)
        self.pressure = min(self._late, hopeless) if self._overload.enabled else 0.0

    @property
    def kinds(self) -> list[str]:
        """Every value of `kind`."""
        return list(dict.fromkeys([*self._order, OTHER]))

    def kind(self, room_type: str) -> str:
        """The room type as the settings know it, or `other`: a closed set."""
        return room_type if room_type in self._order else OTHER

    def share(self, room_type: str) -> float:
        """Of the room type's utterances, those heard now; from 1 down to its smallest."""
        kind = self.kind(room_type)
        if kind not in self._order:
            return 1.0
        thinned = _unit(self.pressure * len(self._order) - self._order[kind])
        return 1 - thinned * (1 - self._least[kind])

    def hears(self, utterance: Utterance) -> bool:
        return lot(utterance.id) < self.share(utterance.room_type)

    def _horizon(self, backlog: Backlog) -> float:
        """A backlog that is worked off within so many seconds is heard whole.

        With twice as much, which is all the time until it expires, only the smallest shares are heard.
        """
        left = (backlog.retention - backlog.waited) / 2
        return max(self._overload.start_seconds, min(self._overload.catch_up_seconds, left))


def catch_up_seconds(backlog: Backlog, speed: float) -> float:
    """Until nothing waits if all is heard at `speed` messages a second; inf: never; NaN: nobody knows."""
    if backlog.messages == 0:
        return 0.0
    spare = speed - backlog.arrivals
    return backlog.messages / spare if spare > 0 or math.isnan(spare) else math.inf


def lot(id_: str) -> float:
    """A number from 0 up to, not including, 1: the same for the same id, even over all ids."""
    return (int.from_bytes(blake2b(id_.encode(), digest_size=8).digest()) >> 11) / 2**53


def _ramp(value: float, start: float, end: float) -> float:
    """0 up to `start`, 1 from `end` on; 0 for NaN, since nothing is skipped for what nobody knows."""
    return _unit((value - start) / (end - start)) if value > start else 0.0


def _unit(value: float) -> float:
    return min(max(value, 0.0), 1.0)
