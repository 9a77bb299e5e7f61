"""The mean time of a chunk, where a few batches need nearly all of the time."""

import pytest

from pipeline.sound.pace import Pace


def test_steady_work_keeps_its_time() -> None:
    pace = Pace()
    assert [pace.add(64, 6.4) for _ in range(50)] == pytest.approx([6.4] * 50)


def test_bursts_are_spread_over_the_chunks_between_them() -> None:
    """Of ten batches, one makes the model work: a chunk needs a tenth of its time on average, whenever one asks."""
    pace = Pace()
    found = [pace.add(10, 5.0 if number % 10 == 0 else 0.0) for number in range(1_000)]
    assert min(found[500:]) > 0.4
    assert max(found[500:]) < 0.6


def test_what_was_long_ago_no_longer_counts() -> None:
    pace = Pace()
    for _ in range(100):
        pace.add(10, 10.0)
    for _ in range(1_000):
        last = pace.add(10, 1.0)
    assert last == pytest.approx(1.0, rel=0.01)


def test_no_chunks_need_no_time() -> None:
    assert Pace().add(0, 0.0) == 0.0
