"""Measure a rolling restart under load: two workers of each role, stopped and started again one after another.

    python -m benchmarks.rolling [--minutes 1.5] [--rooms 6] [--seed 1]

For each restart it prints how long the worker took to finish the work in hand, and how long until its group had taken
over all partitions, that is until the committed offset of each had moved. The rooms, the workers, the last line and the
exit code are those of benchmarks/chaos.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any

from agents.broker.kafka_clients import admin
from agents.loop.faust_app import group_of
from agents.loop.worker_process import stage_of
from benchmarks.chaos.run import run
from benchmarks.chaos.scene import Scene, say
from benchmarks.chaos.troubles import Frequent, Planned
from pipeline.base.errors import DependencyError
from pipeline.contract.topology import STAGES
from pipeline.settings import Settings

HANDOVER_SECONDS = 60.0


class Restart(Frequent):
    """The worker of this name is stopped and started again, while the rooms talk."""

    every = 0.0

    def __init__(self, role: str, number: int) -> None:
        self._role, self._number = role, number

    def strike(self, scene: Scene, random: Random) -> None:
        del random
        member = scene.of(self._role)[self._number]
        with member.busy:
            began = time.monotonic()
            scene.stop(member)
            drained = time.monotonic()
            member.start()
        before = offsets(scene.settings, self._role)
        while not moved(before, offsets(scene.settings, self._role)):
            if time.monotonic() > drained + HANDOVER_SECONDS:
                break
            time.sleep(0.2)
        scene.happened["restarted"] += 1
        say(f"{member.name}: finished in {drained - began:.1f} s, handed over in {time.monotonic() - drained:.1f} s")


def plan(seconds: float) -> list[Planned]:
    """Each worker in turn, evenly over the run."""
    restarts = [Restart(stage.name, number) for stage in STAGES for number in (0, 1)]
    pause = seconds / (len(restarts) + 1)
    return [Planned(number * pause, restart, 0) for number, restart in enumerate(restarts, 1)]


def moved(before: dict[Any, int], now: dict[Any, int]) -> bool:
    return bool(now) and all(offset > before.get(place, -1) for place, offset in now.items())


def offsets(settings: Settings, role: str) -> dict[Any, int]:
    """The committed offsets of the group of `role`, by partition; empty before the group has a coordinator."""
    group = group_of(settings, stage_of(role))
    try:
        with admin(settings.kafka) as client:
            return {place: found.offset for place, found in client.list_group_offsets([group])[group].items()}
    except DependencyError:
        return {}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1.5)
    parser.add_argument("--rooms", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    seconds = options.minutes * 60
    with tempfile.TemporaryDirectory(prefix="voxwarden-rolling-") as folder:
        found = run(Path(folder), seconds, options.rooms, options.seed, "sqlite", plan(seconds))
    print(found)
    return int(not found.good)


if __name__ == "__main__":
    sys.exit(main())
