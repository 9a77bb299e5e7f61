"""What the detectors of sounds have in common, and how they hear many speakers side by side.

Some models are faster if they hear the windows of many speakers in one batch. A task is an iterator of results. Where
it needs a model, it yields a `DueWindow`. When it is asked for its next result, the scores are in the window. So a task
reads like code that calls the model itself, and results and their order do not depend on the other tasks.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple, Protocol, TypeVar

from pipeline.contract.messages import SAMPLE_RATE, HeardSound
from pipeline.judge.model_outputs import Numbers
from pipeline.speech.audio.resample import Samples
from pipeline.speech.audio.speaker_tracks import Key

Result = TypeVar("Result")

SIDE_BY_SIDE = 64
"""Tasks that may wait at the same time. It is below MAX_SPEAKERS: a speaker whose task waits is never
the one who is idle longest, so no other task ends this speaker's stream.
"""
PAUSE = 10 * SAMPLE_RATE
"""After a longer pause, in samples, it is a new sound."""


class WindowModel(Protocol):
    """A model that hears windows of many speakers together."""

    def hear(self, windows: Sequence["DueWindow"]) -> None:
        """Write the scores of each window into it."""


class DueWindow:
    """A window of a speaker, shape (samples,), that waits for `hearer`."""

    def __init__(self, hearer: WindowModel, samples: Samples) -> None:
        self.hearer = hearer
        self.samples = samples
        self.scores: Numbers | None = None
        """Shape (labels of the model,). None if there are none, because the model could not hear this window."""


def together(tasks: Sequence[Iterator[Result | DueWindow]]) -> list[Result]:
    """Return the results of all tasks, one task after the other."""
    parts = (tasks[begin : begin + SIDE_BY_SIDE] for begin in range(0, len(tasks), SIDE_BY_SIDE))
    return [result for part in parts for result in _side_by_side(part)]


def _side_by_side(tasks: Sequence[Iterator[Result | DueWindow]]) -> Iterator[Result]:
    results: list[list[Result]] = [[] for _ in tasks]  # by task, so that the order does not depend on other tasks
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
    # Each model once, in a fixed order.
    for hearer in dict.fromkeys(window.hearer for window in windows):
        hearer.hear([window for window in windows if window.hearer is hearer])


class SoundSpan(NamedTuple):
    """A sound in a stream, from `start` to `end` in 16 kHz samples since 1970 UTC."""

    heard: HeardSound
    label: str
    """The label that the sound itself has; empty if it has none."""
    start: int
    end: int
    model: str
    """Name and version of the detector."""
    of_room: bool = False
    """It is a matter of the room, and is reported as it is: its detector has a grid of its own."""
    pause: int = PAUSE
    """After a longer pause, in samples, it is a new sound."""
    rise: float = math.inf
    """A score that exceeds the score of the part before by this is reported at once."""

    @property
    def key(self) -> tuple[str, str]:
        """The same for all parts of one sound."""
        return self.heard.kind, self.heard.reference or self.label or self.heard.name


class SoundDetector(Protocol):
    """Listens to one stream of one speaker. Its memory does not grow.

    Where it needs a model that hears many speakers together, it gives a `DueWindow`, and goes on with its scores.
    """

    def push(self, samples: Samples) -> Iterable[SoundSpan | DueWindow]:
        """Give what sounds by the next second, shape (samples,). A sound that goes on is named again each time."""

    def flush(self) -> Iterable[SoundSpan | DueWindow]:
        """Give what sounds by the end of the stream. The detector is not used afterwards."""


class DetectorFactory(Protocol):
    """Makes the detectors of one kind. All speakers share it."""

    @property
    def edition(self) -> int:
        """Grows when the detectors must be made again."""

    @property
    def awake(self) -> bool:
        """Whether there is anything to listen for."""

    def look(self) -> None:
        """Notice changes outside of the process. Called before each batch; returns at once."""

    def detector(self, start: int, key: Key) -> SoundDetector:
        """Return a detector for a stream of `key` that begins at `start` (16 kHz samples since 1970 UTC)."""
