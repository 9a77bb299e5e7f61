"""Does the work on many speakers side by side, so that a model hears their windows in one batch.

A task is an iterator of results. Where it needs a model, it yields a `DueWindow`. When it is asked for its next result,
the scores are in the window. So a task reads like code that calls the model itself, and results and their order do not
depend on the other tasks.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Protocol, TypeVar

from pipeline.judge.calibration import Numbers
from pipeline.speech.audio.resample import Samples

Result = TypeVar("Result")

SIDE_BY_SIDE = 64
"""Tasks that may wait at the same time. It is below MAX_SPEAKERS: a speaker whose task waits is never
the one who is idle longest, so no other task ends this speaker's stream.
"""


class Hearer(Protocol):
    """A model that hears windows of many speakers together."""

    def hear(self, windows: Sequence["DueWindow"]) -> None:
        """Write the scores of each window into it."""


class DueWindow:
    """A window of a speaker, shape (samples,), that waits for `hearer`."""

    def __init__(self, hearer: Hearer, samples: Samples) -> None:
        self.hearer = hearer
        self.samples = samples
        self.scores: Numbers | None = None
        """Shape (labels of the model,). None if there are none, because the model could not hear this window."""


def together(tasks: Sequence[Iterator[Result | DueWindow]]) -> list[Result]:
    """Return the results of all tasks, one task after the other."""
    parts = (tasks[begin : begin + SIDE_BY_SIDE] for begin in range(0, len(tasks), SIDE_BY_SIDE))
    return [result for part in parts for result in _side_by_side(part)]


def _side_by_side(tasks: Sequence[Iterator[Result | DueWindow]]) -> Iterator[Result]:
    results: list[list[Result]] = [[] for _ in tasks]
    running: Sequence[int] = range(len(tasks))
    while running:
        waiting = {at: window for at in running if (window := _next_window(tasks[at], results[at]))}
        _hear([*waiting.values()])
        running = [*waiting]
    return chain.from_iterable(results)


def _next_window(task: Iterator[Result | DueWindow], results: list[Result]) -> DueWindow | None:
    """Go on with a task up to its next window. Return None at its end."""
    for found in task:
        if isinstance(found, DueWindow):
            return found
        results.append(found)
    return None


def _hear(windows: Sequence[DueWindow]) -> None:
    for hearer in dict.fromkeys(window.hearer for window in windows):
        hearer.hear([window for window in windows if window.hearer is hearer])
