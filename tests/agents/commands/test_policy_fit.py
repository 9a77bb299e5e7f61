"""`voxwarden policy fit` shows a table, and writes a policy that can be used."""

from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agents.commands.command_line import app
from pipeline.judge import classifier
from pipeline.review.database import Database
from pipeline.review.review_store import open_store
from pipeline.settings import Settings
from tests.pipeline.learning import team
from tests.pipeline.learning.test_policy_fitting import AUDITED, POLICY, Listed, conversations


def run(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["--set", f"data_dir={home}", "policy", *arguments])


@pytest.mark.full
def test_the_fitted_policy_can_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Listed()
    speech = conversations(model)[:700]
    with closing(Database(Settings(data_dir=tmp_path).database_url)) as database:
        team.hire(database)
        team.work(database, speech, AUDITED)
    monkeypatch.setattr(classifier, "load_classifier", lambda chosen: model)
    (tmp_path / "team.yaml").write_text(POLICY)
    fit = ["--set", f"judge.policy={tmp_path / 'team.yaml'}", "policy", "fit", "--alarms-per-1000", "20"]
    fit += ["--act-per-1000", "2"]
    ran = CliRunner().invoke(app, ["--set", f"data_dir={tmp_path}", *fit, "--out", str(tmp_path / "fitted.yaml")])
    assert ran.exit_code == 0, ran.output
    assert "abuse" in ran.stdout
    assert "Fit for automatic actions (act): abuse 0." in " ".join(ran.stdout.split())
    assert "act: 0." in (tmp_path / "fitted.yaml").read_text()
    assert "these thresholds stay: sexual 20," in " ".join(ran.stdout.split())
    checked = run(tmp_path, "check", str(tmp_path / "fitted.yaml"))
    assert "fitted@" in checked.stderr
    again = CliRunner().invoke(app, [*fit, "--out", str(tmp_path / "fitted.yaml")])
    assert "fitted.yaml exists" in str(again.exception)


def test_a_store_without_decisions_is_named(tmp_path: Path) -> None:
    open_store(Settings(data_dir=tmp_path)).close()
    ran = run(tmp_path, "fit", "--alarms-per-1000", "5")
    assert "no decided cases" in str(ran.exception)
