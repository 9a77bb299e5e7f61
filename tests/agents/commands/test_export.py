"""`voxwarden export` writes JSON lines and an entry in the audit log."""

import json
from contextlib import closing
from pathlib import Path

from typer.testing import CliRunner

from agents.commands.command_line import app
from pipeline.review import audit_log
from pipeline.review.cases.case_values import Choice
from pipeline.review.database import Database
from pipeline.review.review_store import open_store
from pipeline.settings import Settings
from tests.builders import NOON, flag


def test_decisions_become_json_lines(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    with closing(open_store(settings)) as store:
        case = store.add([flag("a", 0, 5)], NOON)[0].case
        store.decide(case, "ana", Choice(verdict="uphold"), NOON)
    ran = CliRunner().invoke(app, ["--set", f"data_dir={tmp_path}", "export", "decisions"])
    assert ran.exit_code == 0
    [line] = ran.stdout.splitlines()
    assert json.loads(line)["labels"] == {"violence": 1.0, "risk": 1.0}
    with closing(Database(settings.database_url)) as database, database.read() as connection:
        assert next(one.action for one in audit_log.newest_lines(connection)) == "export.decisions"


def test_no_decisions_give_no_lines(tmp_path: Path) -> None:
    open_store(Settings(data_dir=tmp_path)).close()
    ran = CliRunner().invoke(app, ["--set", f"data_dir={tmp_path}", "export", "decisions", "--since", "7d"])
    assert (ran.exit_code, ran.stdout) == (0, "")
