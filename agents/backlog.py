"""What waits for one worker on Kafka, and how fast more comes in, from looks at the broker."""

import time
from collections.abc import Callable, Mapping

from agents.lag import GroupPosition, PartitionName
from pipeline.overload import Arrivals
from pipeline.stage import Backlog


def unknown() -> Backlog:
    """Nobody has looked yet, or the broker did not answer."""
    return Backlog(waited=0.0)


class Inflow:
    """One thread calls `see` and `forget`; any thread may call `backlog`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._partitions: frozenset[PartitionName] = frozenset()
        self._arrivals = Arrivals()
        self._backlog = unknown()

    def backlog(self) -> Backlog:
        return self._backlog

    def see(self, places: Mapping[PartitionName, GroupPosition]) -> None:
        """One look at the worker's own partitions. With other partitions, the counting begins anew."""
        if places.keys() != self._partitions:
            self.forget()
            self._partitions = frozenset(places)
        self._arrivals.see(sum(place.end for place in places.values()), self._clock())
        waiting = sum(place.lag for place in places.values())
        self._backlog = Backlog(waited=0.0, messages=waiting, arrivals=self._arrivals.rate)

    def forget(self) -> None:
        """The broker did not answer."""
        self._arrivals.forget()
        self._backlog = unknown()
