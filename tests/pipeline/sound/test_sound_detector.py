"""Tasks run side by side: a model hears their windows together, and each task gets its own scores."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sound.sound_detector import SIDE_BY_SIDE, DueWindow, together


class Doubling:
    """Gives each window twice its first sample."""

    def __init__(self) -> None:
        self.batches: list[list[float]] = []

    def hear(self, windows: Sequence[DueWindow]) -> None:
        self.batches.append([float(window.samples[0]) for window in windows])
        for window in windows:
            window.scores = 2.0 * window.samples.astype(np.float64)


def task(model: Doubling, numbers: Sequence[int]) -> Iterator[float | DueWindow]:
    """Give each number, and after an even one twice the number, by the model."""
    for number in numbers:
        yield float(number)
        if number % 2 == 0:
            window = DueWindow(model, np.array([number], np.float32))
            yield window
            assert window.scores is not None
            yield float(window.scores[0])


def alone(numbers: Sequence[int]) -> list[float]:
    return [each for number in numbers for each in ([number, 2 * number] if number % 2 == 0 else [number])]


@given(st.lists(st.lists(st.integers(0, 9), max_size=6), max_size=9))
def test_each_task_gets_the_results_that_it_has_alone(work: list[list[int]]) -> None:
    model = Doubling()
    found = together([task(model, numbers) for numbers in work])
    assert found == [each for numbers in work for each in alone(numbers)]
    calls = [sum(number % 2 == 0 for number in numbers) for numbers in work]
    assert len(model.batches) == max(calls, default=0), "no more calls than the longest task needs"
    assert sum(map(len, model.batches)) == sum(calls)


def test_two_models_get_their_own_windows() -> None:
    one, other = Doubling(), Doubling()
    assert together([task(one, [2, 4]), task(other, [6])]) == [2, 4, 4, 8, 6, 12]
    assert (one.batches, other.batches) == ([[2.0], [4.0]], [[6.0]])


def test_the_number_of_waiting_tasks_is_bounded() -> None:
    model = Doubling()
    together([task(model, [2]) for _ in range(2 * SIDE_BY_SIDE + 1)])
    assert [len(batch) for batch in model.batches] == [SIDE_BY_SIDE, SIDE_BY_SIDE, 1]


def test_an_error_of_a_task_is_raised() -> None:
    def broken() -> Iterator[float | DueWindow]:
        yield 1.0
        raise OSError("no disk")

    with pytest.raises(OSError, match="no disk"):
        together([broken(), task(Doubling(), [2])])
