"""Windows that are measured in the background."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import Connection, text

from pipeline.base.errors import DependencyError
from pipeline.console.background_figures import (
    KEEP_SECONDS,
    KEEP_TIMES,
    MOST,
    Background,
    BackgroundFigures,
    Kept,
    Look,
)
from pipeline.judge import labels
from pipeline.review import audit_log
from pipeline.review.database import Database
from pipeline.review.quality.figure import Window
from pipeline.settings import Settings
from tests.builders import NOON
from tests.pipeline.console.conftest import Clock

WINDOW = Window(NOON - 3_600, NOON)
OTHER = Window(NOON - 7_200, NOON)
PATIENCE = 60.0
FOREVER = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"


class Counted:
    """Stands for a measurement: it counts its calls, and waits until it may go on."""

    def __init__(self) -> None:
        self.windows: list[Window] = []
        self.may = Event()
        self.may.set()
        self.fails = False

    def __call__(self, connection: Connection, window: Window) -> int:
        self.windows.append(window)
        assert self.may.wait(PATIENCE)
        if self.fails:
            raise ValueError("broken")
        return len(self.windows)


@pytest.fixture
def counted() -> Counted:
    return Counted()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(f"sqlite:///{tmp_path / 'store.db'}")) as opened:
        yield opened


@pytest.fixture
def background(database: Database, clock: Clock, counted: Counted) -> Iterator[Background[Window, int]]:
    with ThreadPoolExecutor(1) as pool:
        yield Background(pool, database, counted, clock)
        counted.may.set()


def waited(background: Background[Window, int], window: Window = WINDOW, newest: bool = True) -> Look[int]:
    return asyncio.run(background.wait(window, PATIENCE, newest=newest))


def value(look: Look[int]) -> int:
    assert look.kept is not None
    return look.kept.value


def happens(database: Database) -> None:
    """Change the store."""
    with database.write() as connection:
        audit_log.append(connection, NOON, "ana", "case.view", "c")


def test_a_result_is_kept_as_long_as_the_store_is_the_same(
    background: Background[Window, int], database: Database, clock: Clock
) -> None:
    assert value(waited(background)) == 1
    clock.now += 30 * KEEP_SECONDS
    assert value(waited(background)) == 1
    happens(database)
    assert value(waited(background)) == 2


def test_a_changed_store_is_not_measured_at_once(
    background: Background[Window, int], database: Database, clock: Clock
) -> None:
    waited(background)
    happens(database)
    clock.now += KEEP_SECONDS - 1
    assert value(waited(background)) == 1
    clock.now += 1
    assert value(waited(background)) == 2


def test_a_result_that_took_long_is_kept_longer(
    background: Background[Window, int], database: Database, clock: Clock
) -> None:
    waited(background)
    background._kept[WINDOW] = Kept(1, NOON, KEEP_SECONDS, ())
    happens(database)
    clock.now += KEEP_TIMES * KEEP_SECONDS - 1
    assert value(waited(background)) == 1
    clock.now += 1
    assert value(waited(background)) == 2


def test_readers_see_the_old_result_until_the_new_one_is_there(
    background: Background[Window, int], database: Database, clock: Clock, counted: Counted
) -> None:
    waited(background)
    happens(database)
    clock.now += KEEP_SECONDS
    counted.may.clear()
    look = waited(background, newest=False)
    assert (value(look), look.kept and look.kept.at) == (1, NOON)
    assert look.running is not None
    assert look.running.usual is not None
    counted.may.set()
    look = waited(background)
    assert (value(look), look.running) == (2, None)
    assert look.kept is not None
    assert look.kept.at == clock.now


def test_a_window_that_takes_long_is_measured_once(background: Background[Window, int], counted: Counted) -> None:
    counted.may.clear()
    for _ in range(3):
        look = asyncio.run(background.wait(WINDOW, 0.01))
        assert look.kept is None
        assert look.running is not None
        assert look.running.usual is None
    counted.may.set()
    assert value(waited(background)) == 1
    assert len(counted.windows) == 1


def test_a_measurement_that_ends_while_a_reader_looks_is_not_repeated(database: Database, counted: Counted) -> None:
    others: list[Callable[[], object]] = []

    def clock() -> float:
        if others:  # another reader gets a new result while this one looks at the old one
            others.pop()()
        return NOON + len(counted.windows) * KEEP_SECONDS

    with ThreadPoolExecutor(1) as pool:
        background = Background(pool, database, counted, clock)
        waited(background)
        happens(database)
        others.append(lambda: waited(background))
        assert background.look(WINDOW).running is None
    assert len(counted.windows) == 2


def test_one_window_is_measured_at_a_time(background: Background[Window, int], counted: Counted) -> None:
    counted.may.clear()
    asyncio.run(background.wait(WINDOW, 0.5))
    look = asyncio.run(background.wait(OTHER, 0.01))
    assert look.running is not None
    assert not look.running.started
    assert counted.windows == [WINDOW]
    counted.may.set()
    assert value(waited(background, OTHER)) == 2


def test_readers_that_wait_hold_no_thread(background: Background[Window, int], counted: Counted) -> None:
    """More readers than the server has threads wait at the same time, and all get the result."""
    counted.may.clear()

    async def readers() -> list[Look[int]]:
        tasks = [asyncio.create_task(background.wait(WINDOW, PATIENCE)) for _ in range(200)]
        await asyncio.to_thread(lambda: None)
        counted.may.set()
        return await asyncio.gather(*tasks)

    assert [value(look) for look in asyncio.run(readers())] == [1] * 200


def test_a_person_can_ask_for_a_new_measurement(background: Background[Window, int], database: Database) -> None:
    waited(background)
    background.again(WINDOW)
    assert value(waited(background)) == 1
    happens(database)
    background.again(WINDOW)
    assert value(waited(background)) == 2


def test_only_the_newest_results_are_kept(background: Background[Window, int], counted: Counted) -> None:
    for hour in range(MOST + 1):
        waited(background, Window(NOON - hour - 1, NOON))
    waited(background, Window(NOON - MOST - 1, NOON))
    assert len(counted.windows) == MOST + 1
    waited(background, Window(NOON - 1, NOON))
    assert len(counted.windows) == MOST + 2


def test_few_drafts_are_kept(database: Database, clock: Clock) -> None:
    """Each one may hold 100 MB."""
    with closing(BackgroundFigures(database, Settings(), labels.load_labels(), clock)) as figures:
        windows = [Window(NOON - hours * 3_600, NOON) for hours in (1, 2, 3)]
        kept = [asyncio.run(figures.drafts.wait(window, PATIENCE)).kept for window in windows]
        assert None not in kept
        assert list(figures.drafts._kept) == windows[1:]


def test_only_some_windows_wait(background: Background[Window, int], counted: Counted) -> None:
    counted.may.clear()
    asyncio.run(background.wait(WINDOW, 0.5))
    windows = [Window(NOON - hour - 1, NOON) for hour in range(2 * MOST)]
    for window in windows:
        background.look(window)
    counted.may.set()
    waited(background, windows[-1])
    assert counted.windows[1] != windows[0]
    assert len(counted.windows) <= MOST + 1


def test_a_failure_is_told_once_and_not_kept(background: Background[Window, int], counted: Counted) -> None:
    counted.fails = True
    with pytest.raises(ValueError, match="broken"):
        waited(background)
    counted.fails = False
    assert value(waited(background)) == 2


def test_a_console_that_stops_ends_the_query_in_progress(database: Database, clock: Clock) -> None:
    measured = BackgroundFigures(database, Settings(), labels.load_labels(), clock)
    began = Event()

    def endless(connection: Connection, window: Window) -> int:
        began.set()
        return int(connection.scalar(text(FOREVER)) or 0)

    background = Background(measured._pool, database, endless, clock)
    measured.figures = background  # type: ignore[assignment]
    background.look(WINDOW)
    assert began.wait(PATIENCE)
    measured.close()
    with pytest.raises(DependencyError, match="interrupted"):
        background.look(WINDOW)


def test_nothing_is_interrupted_when_nothing_is_measured(background: Background[Window, int]) -> None:
    waited(background)
    assert not background.interrupt()
