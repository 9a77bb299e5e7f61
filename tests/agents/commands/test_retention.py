"""`voxwarden retention`: the job and erasures on the command line."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agents.commands.command_line import app
from pipeline.base.errors import CaseError, ConfigError
from pipeline.review.cases.case_values import Choice, Filters
from pipeline.review.database import Database
from pipeline.review.privacy.retention_job import DAY
from pipeline.review.review_store import SqlReviewStore
from tests.builders import NOON, flag

Retention = Callable[..., Result]


@pytest.fixture
def store(own_store: str) -> Iterator[SqlReviewStore]:
    """Give a store with a case that was dismissed half a year ago, and a new one."""
    opened = SqlReviewStore(Database(own_store))
    old = opened.add([flag("old", -180 * DAY, -180 * DAY + 5, speaker="bob")], NOON - 180 * DAY)[0].case
    opened.decide(old, "ana", Choice(verdict="dismiss"), NOON - 180 * DAY)
    opened.add([flag("new", -60, -55)], NOON - 60)
    yield opened
    opened.close()


@pytest.fixture
def retention(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Retention:
    """Return a function that runs the command, at noon."""
    monkeypatch.setattr("time.time", lambda: NOON)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["--set", f"data_dir={tmp_path}", "retention", *arguments])

    return run


def speakers(store: SqlReviewStore) -> list[str]:
    return sorted(case.speaker for case in store.cases(Filters()))


def test_the_job_deletes_what_the_dry_run_counts(store: SqlReviewStore, retention: Retention) -> None:
    counted = "0 clips, 1 cases, 0 lines of the log; erased 0 cases; 0 are on legal hold."
    assert retention("run", "--dry-run").stdout == f"Would delete {counted}\n"
    assert speakers(store) == ["ann", "bob"]
    assert retention("run").stdout == f"Deleted {counted}\n"
    assert speakers(store) == ["ann"]


def test_a_speaker_is_erased_at_once(store: SqlReviewStore, retention: Retention) -> None:
    assert retention("erase", "ann").stdout == "Erased 1 cases, 0 clips; 0 are on legal hold.\n"
    assert speakers(store) == ["bob"]


def test_an_erasure_of_nobody_is_refused(retention: Retention, store: SqlReviewStore) -> None:
    assert isinstance(retention("erase", "").exception, CaseError)


def test_a_missing_store_is_named(retention: Retention) -> None:
    assert isinstance(retention("run").exception, ConfigError)
