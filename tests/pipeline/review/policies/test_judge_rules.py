"""The store's own follower, for one machine and the API; and what the commands and the doctor tell about it."""

import time
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agents.commands.command_line import app
from agents.machine_checks import check_live_policy
from pipeline.base.errors import InputError, Missing, VoxwardenError
from pipeline.base.metrics import Metrics
from pipeline.judge.labels import load_labels
from pipeline.judge.policy_release import JudgeReport
from pipeline.judge.rule_texts import RuleTexts, read_texts
from pipeline.review.database import Database
from pipeline.review.policies import judge_rules, versions
from pipeline.review.policies.judge_rules import follow_store, policy_status, rules_in_use
from pipeline.settings import Settings
from tests.pipeline.review.policies.texts import POLICY, texts

LABELS = load_labels()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


def publish(settings: Settings, these: RuleTexts, reports: tuple[JudgeReport, ...] = ()) -> None:
    with closing(Database(settings.database_url)) as database, database.write() as connection:
        versions.publish(connection, these, LABELS, "A title", ["lea"], "ada", time.time())
        for report in reports:
            judge_rules.store_judge_report(connection, report)


def test_a_judge_follows_the_store_and_reports_to_it(settings: Settings) -> None:
    with closing(follow_store(settings, Metrics())) as rules:
        assert rules.now().policy.version.startswith("default@")
        publish(settings, texts())
        deadline = time.monotonic() + 60
        while (found := policy_status(settings, time.time())) is None or found.behind or not found.judges:
            assert time.monotonic() < deadline, found
            time.sleep(0.1)
        assert rules.now().policy.version == "mine@1"
        assert [each.policy for each in found.judges] == ["mine@1"]
    with closing(follow_store(settings, Metrics())) as rules:
        assert rules.now().policy.version == "mine@1", "a judge that starts has the newest before its first batch"


def test_the_commands_show_and_export_what_is_live(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOXWARDEN_DATA_DIR", str(tmp_path))
    run = CliRunner().invoke
    assert "Nothing is published" in run(app, ["policy", "live"]).stdout
    assert check_live_policy(settings) == "nothing is published: the files count"
    publish(settings, texts())
    done = run(app, ["policy", "live"])
    assert done.exit_code == 0
    assert "mine@1: A title" in done.stdout
    assert "The files differ from it" in done.stdout
    assert run(app, ["policy", "export", str(tmp_path / "out")]).exit_code == 0
    assert (tmp_path / "out" / "policy.yaml").read_text() == texts().policy
    assert run(app, ["policy", "check", str(tmp_path / "out" / "policy.yaml")]).exit_code == 0
    again = run(app, ["policy", "export", str(tmp_path / "out")])
    assert isinstance(again.exception, InputError), "nothing is replaced"
    assert isinstance(run(app, ["policy", "export", str(tmp_path / "more"), "--version", "9"]).exception, Missing)


def test_the_rules_in_use_are_those_of_the_newest_release(settings: Settings) -> None:
    assert rules_in_use(settings).policy.version.startswith("default@")
    assert not settings.data_dir.joinpath("voxwarden.db").exists(), "a look creates nothing"
    publish(settings, texts(policy=POLICY + "labels: {violence: {sources: both}}\n"))
    found = rules_in_use(settings).policy
    assert (found.version, found.need_both()) == ("mine@1", ["violence"])


def test_the_doctor_tells_of_judges_that_cannot_use_it(settings: Settings) -> None:
    publish(settings, read_texts("default", ("en", "zh")))
    assert check_live_policy(settings) == "default@1 is live; the files are the same; 0 of 0 running judges use it"
    now = time.time()
    publish(settings, texts(), (JudgeReport("judge-0", 1, "default@1", now, now, "unknown label x"),))
    with pytest.raises(VoxwardenError, match="judge-0: unknown label x"):
        check_live_policy(settings)
