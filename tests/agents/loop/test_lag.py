"""The records that wait for a worker, computed from looks at the broker with a fake clock."""

import math

from agents.loop.lag import GroupPosition, WorkerBacklog


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def look(backlog: WorkerBacklog, clock: Clock, *ends: int, committed: int = 0) -> None:
    clock.now += 5
    backlog.see({("voice.audio", number): GroupPosition(committed, end) for number, end in enumerate(ends)})


def test_all_partitions_of_the_worker_count() -> None:
    clock = Clock()
    backlog = WorkerBacklog(clock)
    for step in range(4):
        look(backlog, clock, 50 + 10 * step, 7, committed=5)
    assert backlog.backlog().messages == 75 + 2
    assert backlog.backlog().arrivals == 2.0


def test_the_backlog_is_unknown_before_the_first_look_and_after_a_failed_one() -> None:
    clock = Clock()
    backlog = WorkerBacklog(clock)
    assert math.isnan(backlog.backlog().messages)
    for _ in range(4):
        look(backlog, clock, 9)
    backlog.forget()
    assert math.isnan(backlog.backlog().messages)
    look(backlog, clock, 20)
    assert backlog.backlog().messages == 20
    assert math.isnan(backlog.backlog().arrivals), "records that arrived without a look give no rate"


def test_a_new_partition_adds_no_arrivals() -> None:
    clock = Clock()
    backlog = WorkerBacklog(clock)
    for _ in range(4):
        look(backlog, clock, 9)
    look(backlog, clock, 9, 5_000)
    assert backlog.backlog().messages == 5_009
    assert math.isnan(backlog.backlog().arrivals)
