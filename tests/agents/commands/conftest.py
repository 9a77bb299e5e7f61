"""The commands of the assessment's duties, on a store of their own, a day after NOON."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agents.commands.command_line import app
from pipeline.review.database import Database
from tests.builders import NOON

DAY = 86_400.0
Assess = Callable[..., Result]


@pytest.fixture
def duties(own_store: str) -> Iterator[Database]:
    """The store of `assess_at`."""
    made = Database(own_store)
    yield made
    made.close()


@pytest.fixture
def assess_at(tmp_path: Path, duties: Database, monkeypatch: pytest.MonkeyPatch) -> Assess:
    """Return a function that runs `voxwarden assess` in English, at NOON plus `days`."""
    monkeypatch.setenv("LC_ALL", "C.UTF-8")

    def run(*arguments: str, days: float = 1.0) -> Result:
        monkeypatch.setattr("time.time", lambda: NOON + days * DAY)
        return CliRunner().invoke(app, ["--set", f"data_dir={tmp_path}", "assess", *arguments])

    return run
