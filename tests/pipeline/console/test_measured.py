"""Figures that are computed in a thread and kept for some minutes."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Event

import pytest

from pipeline.assessment import measure
from pipeline.assessment.figure import Figure, Window
from pipeline.assessment.options import Options
from pipeline.console.measured import KEEP_SECONDS, MOST, Measured
from pipeline.review.database import Database
from tests.builders import NOON
from tests.pipeline.console.conftest import Clock

WINDOW = Window(NOON - 3_600, NOON)
PATIENCE = 60.0


class Counted:
    """Stands for `measure`: it counts its calls, and waits until it may go on."""

    def __init__(self) -> None:
        self.windows: list[Window] = []
        self.may = Event()
        self.may.set()
        self.fails = False

    def __call__(self, connection: object, window: Window, options: Options) -> list[Figure]:
        self.windows.append(window)
        self.may.wait(PATIENCE)
        if self.fails:
            raise ValueError("broken")
        return [Figure(indicator="I-02", key="share", unit="share", value=0.5, n=len(self.windows))]


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    made = Counted()
    monkeypatch.setattr(measure, "measure", made)
    return made


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def measured(tmp_path: Path, clock: Clock, counted: Counted) -> Iterator[Measured]:
    with (
        closing(Database(f"sqlite:///{tmp_path / 'store.db'}")) as database,
        closing(Measured(database, Options(), clock)) as made,
    ):
        yield made


def count(figures: list[Figure] | None) -> int:
    assert figures is not None
    return figures[0].n


def test_figures_are_kept_for_some_minutes(measured: Measured, clock: Clock) -> None:
    assert count(measured.figures(WINDOW, PATIENCE)) == 1
    clock.now += KEEP_SECONDS - 1
    assert count(measured.figures(WINDOW, PATIENCE)) == 1
    clock.now += 1
    assert count(measured.figures(WINDOW, PATIENCE)) == 2


def test_figures_that_are_not_ready_are_none_and_are_computed_once(measured: Measured, counted: Counted) -> None:
    counted.may.clear()
    assert measured.figures(WINDOW, 0) is None
    assert measured.figures(WINDOW, 0) is None
    counted.may.set()
    assert count(measured.figures(WINDOW, PATIENCE)) == 1


def test_only_the_newest_windows_are_kept(measured: Measured, counted: Counted) -> None:
    for hour in range(MOST + 1):
        measured.figures(Window(NOON - hour, NOON), PATIENCE)
    measured.figures(Window(NOON - MOST, NOON), PATIENCE)
    assert len(counted.windows) == MOST + 1
    measured.figures(Window(NOON, NOON), PATIENCE)
    assert len(counted.windows) == MOST + 2


def test_a_failure_is_not_kept(measured: Measured, counted: Counted) -> None:
    counted.fails = True
    with pytest.raises(ValueError, match="broken"):
        measured.figures(WINDOW, PATIENCE)
    counted.fails = False
    assert count(measured.figures(WINDOW, PATIENCE)) == 2
