"""The number of records that wait for one worker on Kafka, and their arrival rate."""

import time
from collections.abc import Callable, Mapping

from agents.loop.lag import GroupPosition, PartitionName
from pipeline.contract.stage import Backlog
from pipeline.speech.load_shedding import Arrivals


def unknown() -> Backlog:
    """Return a backlog of unknown size: nobody has looked at the broker yet, or it did not answer."""
    return Backlog(waited=0.0)


class Inflow:
    """Tracks the backlog of one worker. One thread calls `see` and `forget`; any thread may call `backlog`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._partitions: frozenset[PartitionName] = frozenset()
        self._arrivals = Arrivals()
        self._backlog = unknown()

    def backlog(self) -> Backlog:
        return self._backlog

    def see(self, places: Mapping[PartitionName, GroupPosition]) -> None:
        """Take in one look at the worker's own partitions. If the partitions have changed, the count starts again."""
        if places.keys() != self._partitions:
            self.forget()
            self._partitions = frozenset(places)
        self._arrivals.see(sum(place.end for place in places.values()), self._clock())
        waiting = sum(place.lag for place in places.values())
        self._backlog = Backlog(waited=0.0, messages=waiting, arrivals=self._arrivals.rate)

    def forget(self) -> None:
        """Drop all figures, because the broker did not answer."""
        self._arrivals.forget()
        self._backlog = unknown()
