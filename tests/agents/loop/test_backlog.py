"""The records that wait for a worker, computed from looks at the broker with a fake clock."""

import math

from agents.loop.backlog import Inflow
from agents.loop.lag import GroupPosition


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def look(inflow: Inflow, clock: Clock, *ends: int, committed: int = 0) -> None:
    clock.now += 5
    inflow.see({("voice.audio", number): GroupPosition(committed, end) for number, end in enumerate(ends)})


def test_all_partitions_of_the_worker_count() -> None:
    clock = Clock()
    inflow = Inflow(clock)
    for step in range(4):
        look(inflow, clock, 50 + 10 * step, 7, committed=5)
    assert inflow.backlog().messages == 75 + 2
    assert inflow.backlog().arrivals == 2.0


def test_the_backlog_is_unknown_before_the_first_look_and_after_a_failed_one() -> None:
    clock = Clock()
    inflow = Inflow(clock)
    assert math.isnan(inflow.backlog().messages)
    for _ in range(4):
        look(inflow, clock, 9)
    inflow.forget()
    assert math.isnan(inflow.backlog().messages)
    look(inflow, clock, 20)
    assert inflow.backlog().messages == 20
    assert math.isnan(inflow.backlog().arrivals), "records that arrived without a look give no rate"


def test_a_new_partition_adds_no_arrivals() -> None:
    clock = Clock()
    inflow = Inflow(clock)
    for _ in range(4):
        look(inflow, clock, 9)
    look(inflow, clock, 9, 5_000)
    assert inflow.backlog().messages == 5_009
    assert math.isnan(inflow.backlog().arrivals)
