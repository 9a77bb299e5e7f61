"""Periodic tasks."""

import asyncio
import threading
from pathlib import Path

import pytest

from pipeline.assessment import triggers
from pipeline.base.errors import DependencyError
from pipeline.console import console_app
from pipeline.console.console_app import every
from pipeline.console.services import open_services
from pipeline.review.database import Database
from pipeline.review.privacy import retention_job
from pipeline.review.review_store import SqlReviewStore
from pipeline.settings import Retention, Settings
from tests.builders import NOON, flag


async def test_a_task_is_repeated_also_after_a_dependency_error() -> None:
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    calls: list[str] = []

    def act() -> None:
        calls.append(threading.current_thread().name)
        if len(calls) == 2:
            raise DependencyError("The store does not answer")
        if len(calls) == 3:
            loop.call_soon_threadsafe(done.set)

    async with every(0.001, act, "test"):
        await done.wait()
    assert "test" not in {task.get_name() for task in asyncio.all_tasks()}
    assert threading.current_thread().name not in calls


async def test_a_task_is_repeated_also_after_an_unexpected_error(caplog: pytest.LogCaptureFixture) -> None:
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    calls: list[str] = []

    def act() -> None:
        calls.append("")
        if len(calls) == 1:
            raise ValueError("A mistake of ours")
        loop.call_soon_threadsafe(done.set)

    async with every(0.001, act, "test"):
        await asyncio.wait_for(done.wait(), 60)
    assert "test failed; trying again in 0.001 s" in caplog.text


def test_the_watch_stores_new_triggers_once(database: Database, tmp_path: Path) -> None:
    SqlReviewStore(database).add([flag("a", 0, 1, room_type="kids", flagged=("ads_spam",))], NOON)
    services = open_services(Settings(data_dir=tmp_path), database, clock=lambda: NOON + 60)
    for _ in range(2):
        console_app.suggest_triggers(services)
    with database.read() as connection:
        assert [(each.signal, each.found_at) for each in triggers.all_triggers(connection)] == [
            ("room_type:kids", NOON + 60)
        ]


@pytest.mark.parametrize("here", [True, False])
def test_the_retention_job_runs_here_unless_it_runs_elsewhere(database: Database, tmp_path: Path, here: bool) -> None:
    settings = Settings(data_dir=tmp_path, retention=Retention(in_console=here))
    services = open_services(settings, database, lambda: NOON)
    console_app.run_retention(services)
    with database.read() as connection:
        assert (retention_job.last_run(connection) is not None) == here
    services.background.close()
