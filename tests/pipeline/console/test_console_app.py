"""Probes and periodic tasks."""

import asyncio
import threading
from pathlib import Path

import pytest

from pipeline.assessment import triggers
from pipeline.base.errors import DependencyError
from pipeline.console import console_app
from pipeline.console.console_app import Readiness, every
from pipeline.console.services import open_services
from pipeline.review import database as database_module
from pipeline.review.database import Database
from pipeline.review.privacy import retention_job
from pipeline.review.review_store import SqlReviewStore
from pipeline.settings import Retention, Settings
from tests.builders import NOON, flag
from tests.pipeline.console.conftest import Console, Enter
from tests.pipeline.review.writers import locked


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


def test_the_probes_tell_the_truth_about_a_locked_store(
    console: Console, enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "FREE_MILLISECONDS", 10)
    ana = enter("ana")  # a page sends the cookie, too
    assert (ana.get("/readyz").status_code, ana.get("/readyz").text) == (200, "ok\n")
    with locked(console.database):
        assert (ana.get("/readyz").status_code, ana.get("/healthz").text) == (503, "ok\n")
    assert ana.get("/readyz").status_code == 200


async def test_readiness_is_bounded_and_one_check_answers_all(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console_app, "READY_SECONDS", 0.05)
    calls, end = [], threading.Event()

    def hang() -> None:
        calls.append("")
        end.wait(60)

    monkeypatch.setattr(database, "check_writable", hang)
    readiness = Readiness(database)
    answers = await asyncio.gather(*(readiness.ready() for _ in range(5)))
    end.set()
    assert [answer.status_code for answer in answers] == [503] * 5
    assert len(calls) == 1
