"""A rolling restart under load: two workers of each role, each stopped and started again in turn.

    python -m benchmarks.rolling [--minutes 1.5] [--rooms 6] [--seed 1]

Prints for each restart how long the worker took to finish what it had in hand, and how long until its group had taken
over all partitions: until the committed offset of each had moved on. The last line, and the exit code, are as of
benchmarks/chaos.py, whose rooms and workers these are.
"""

import sys
import time
from collections.abc import Iterator
from signal import SIGTERM
from threading import Thread
from typing import Any

from agents.app import group_of
from agents.kafka import admin
from agents.worker import stage_of
from benchmarks.chaos import Chaos, main, say
from pipeline.errors import DependencyError
from pipeline.settings import Settings
from tests.broker import Broker


class Rolling(Chaos):
    copies = 2

    def troubles(self, total: float, settings: Settings, broker: Broker) -> Iterator[tuple[float, Any]]:
        del broker
        pause = total / (len(self.workers) + 1)
        for number, name in enumerate(sorted(self.workers), 1):
            yield number * pause, lambda name=name: Thread(target=self._restart_one, args=(name, settings)).start()
        yield float("inf"), lambda: None

    def _restart_one(self, name: str, settings: Settings) -> None:
        """In a thread, so that the rooms talk on."""
        began = time.monotonic()
        self.stop(self.workers[name], SIGTERM)
        drained = time.monotonic()
        self.workers[name].start()
        before = offsets(settings, name)
        while not moved(before, offsets(settings, name)):
            if time.monotonic() > drained + 60:
                break
            time.sleep(0.2)
        self.kicks["restarted"] += 1
        say(f"{name}: finished in {drained - began:.1f} s, handed over in {time.monotonic() - drained:.1f} s")


def moved(before: dict[Any, int], now: dict[Any, int]) -> bool:
    return bool(now) and all(offset > before.get(place, -1) for place, offset in now.items())


def offsets(settings: Settings, name: str) -> dict[Any, int]:
    """What the group of the worker `name` has committed, by partition; nothing before it has a coordinator."""
    group = group_of(settings, stage_of(name.rpartition("-")[0]))
    try:
        with admin(settings.kafka) as client:
            return {place: found.offset for place, found in client.list_group_offsets([group])[group].items()}
    except DependencyError:
        return {}


if __name__ == "__main__":
    sys.exit(main(Rolling, __doc__))
