"""The health of a worker, judged by the lag of its consumer group, by its commits and by its work.

A worker that hangs still answers HTTP and sends heartbeats. But it commits nothing, and finishes no part of its batch.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import faust

from agents.loop.faust_app import PartitionName, follow_assignment
from agents.loop.lag import GroupPosition, Lag, WorkerBacklog
from pipeline.base.dependencies import Dependencies
from pipeline.base.errors import VoxwardenError
from pipeline.base.metrics import Metrics
from pipeline.base.metrics_server import Probe
from pipeline.contract.stage import Backlog
from pipeline.contract.topology import Stage
from pipeline.settings import Settings

# A worker with lag that commits nothing and finishes no part of its work for this long is unhealthy. A batch takes 30 s
# at most, but longer while other processes have the cores.
STALL_SECONDS = 45.0

LOOK_SECONDS = 5.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Standstill:
    """A partition with waiting records: its committed offset, and the time of the offset's last change."""

    committed: int
    since: float


class Progress:
    """How long each partition of a worker has had waiting records and an unchanged committed offset."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._standstills: dict[PartitionName, Standstill] = {}

    def see(self, places: Mapping[PartitionName, GroupPosition]) -> None:
        """Take in one look at the worker's own partitions, and forget all others."""
        now = self._clock()
        self._standstills = {
            partition: self._standstill_of(partition, place, now)
            for partition, place in places.items()
            if place.lag > 0
        }

    def forget(self) -> None:
        """Forget everything, because the broker did not answer. The worker is not to blame for that."""
        self._standstills = {}

    @property
    def seconds(self) -> float:
        """The longest standstill of a partition in seconds; 0 if all partitions progress."""
        now = self._clock()
        return max((now - standstill.since for standstill in self._standstills.values()), default=0.0)

    def _standstill_of(self, partition: PartitionName, place: GroupPosition, now: float) -> Standstill:
        before = self._standstills.get(partition)
        return before if before and before.committed == place.committed else Standstill(place.committed, now)


class Health:
    """The health of one worker. A thread looks at the broker, and the probes report the last result."""

    def __init__(
        self,
        stage: Stage,
        settings: Settings,
        metrics: Metrics,
        dependencies: Dependencies,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._dependencies = dependencies
        self._stage, self._metrics = stage, metrics
        self._lag = Lag(stage, settings)
        self._progress = Progress(clock)
        self._clock = clock
        self._worked = -math.inf
        self._worker_backlog = WorkerBacklog(clock)
        self._mine: frozenset[PartitionName] | None = None
        self._over = threading.Event()

    def backlog(self) -> Backlog:
        """Return the records that wait on this worker's partitions."""
        return self._worker_backlog.backlog()

    def worked(self) -> None:
        """Note that the stage has finished a part of its work. Any thread may call it."""
        self._worked = self._clock()

    @property
    def probes(self) -> dict[str, Probe]:
        return {"/healthz": self.stalled, "/readyz": self.unready}

    def stalled(self) -> list[str]:
        """Liveness probe: return the reasons to restart the worker, or nothing.

        A dependency that is down is no reason, because a restart does not bring it back. A batch that takes long is
        none either, as long as parts of it are finished.
        """
        seconds = min(self._progress.seconds, self._clock() - self._worked)
        if seconds < STALL_SECONDS or self._dependencies.down:
            return []
        return [f"{self._stage.name} has waiting records and has finished nothing for {seconds:.0f} s"]

    def unready(self) -> list[str]:
        """Readiness probe: return the reasons why the worker is not ready, or nothing.

        A worker is ready when its models are loaded and the consumer group has assigned partitions, even if it got
        none.
        """
        if self._mine is not None:
            return []
        return [f"{self._stage.name} is still starting, or waits for its partitions to be assigned"]

    def follow(self, app: faust.App) -> None:
        """Learn from `app` which partitions this worker has. The stage of `app` must be loaded."""
        follow_assignment(app, self._assign)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look at the broker every few seconds while the block runs."""
        thread = threading.Thread(target=self._watch, name="health", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join(LOOK_SECONDS)  # a broker that does not answer must not hold up the end

    def look(self) -> None:
        """Look at the broker once. If the broker does not answer or refuses us, the worker stays healthy."""
        try:
            places = self._lag.places()
        except Exception as error:  # if an error ended the thread, the probes would report the last result for ever
            known = "kafka" in self._dependencies.down  # the outage is in the log already
            log.log(
                logging.INFO if known else logging.WARNING,
                "the lag of the consumer group is unknown: %s",
                error,
                exc_info=not isinstance(error, VoxwardenError),
            )
            self._forget()
            self._publish(math.nan, math.nan)
            return
        if self._dependencies.down:
            self._progress.forget()  # a worker that waits for its database commits nothing
        mine = {partition: place for partition, place in places.items() if partition in (self._mine or ())}
        self._progress.see(mine)
        self._worker_backlog.see(mine)
        self._publish(sum(place.lag for place in places.values()), self._progress.seconds)

    def _publish(self, lag: float, age: float) -> None:
        """Set the metrics, to NaN if unknown. NaN raises no alert, and panels draw a gap, not an old value."""
        self._metrics.lag_messages.labels(self._stage.name).set(lag)
        self._metrics.committed_age_seconds.labels(self._stage.name).set(age)

    def _assign(self, partitions: frozenset[PartitionName] | None) -> None:
        self._mine = partitions
        self._forget()  # a partition that was just assigned has not stood still

    def _forget(self) -> None:
        self._progress.forget()
        self._worker_backlog.forget()

    def _watch(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            self.look()
        self._lag.close()
