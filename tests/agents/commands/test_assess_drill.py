"""`voxwarden assess drill`: lines, schedule, the stop drill, and mistakes. `tests/agents/test_drill.py` is live."""

from pathlib import Path

from pipeline.base.errors import DependencyError, InputError, Missing
from pipeline.review.database import Database
from tests.agents.commands.conftest import Assess


def test_lines_are_those_that_the_policy_turns_on(assess_at: Assess, duties: Database) -> None:
    listed = assess_at("drill", "lines").stdout
    assert "zh-fraud-1 " in listed
    assert "political_sensitive" not in listed
    assert assess_at("drill", "lines", "--language", "en", "--label", "clean").stdout.count("en-clean-") == 4
    assert all(
        line.startswith("en-clean-")
        for line in assess_at("drill", "lines", "--language", "en", "--label", "clean").stdout.splitlines()
    )


def test_the_list_warns_of_drills_that_are_due(assess_at: Assess, duties: Database) -> None:
    due = assess_at("drill", "list").stderr
    assert "detection drill is due" in due
    assert "stop drill is due" in due
    assess_at("drill", "stop", "--room", "test-1", "--wait", "0")
    listed = assess_at("drill", "list")
    assert listed.stdout.startswith("stop-20260102-")
    assert "stop drill is due" not in listed.stderr


def test_a_stop_drill_that_no_app_confirms_fails_and_shows_each_room(assess_at: Assess, duties: Database) -> None:
    result = assess_at("drill", "stop", "--room", "test-1", "--room", "test-2", "--wait", "0")
    assert result.exit_code == 3
    identity = result.stdout.split(":")[0]
    shown = assess_at("drill", "show", identity).stdout
    assert [line.split()[-1] for line in shown.splitlines() if "no result" in line] == ["result", "result"]
    assert "to decision: 2 of 2" in shown
    assert isinstance(assess_at("drill", "show", "none").exception, Missing)


def test_a_drill_without_a_gateway_says_so(assess_at: Assess, duties: Database) -> None:
    given = ("--gateway", "ws://127.0.0.1:9", "--token", "x" * 16, "--label", "violence", "--wait", "0")
    result = assess_at("drill", "run", *given)
    assert isinstance(result.exception, DependencyError)
    assert "ws://127.0.0.1:9" in str(result.exception)
    assert "lines have no recording" in result.stderr


def test_two_sources_of_sound_are_refused(assess_at: Assess, duties: Database, tmp_path: Path) -> None:
    result = assess_at("drill", "run", "--audio", str(tmp_path), "--speak", "say {file} {text}")
    assert isinstance(result.exception, InputError)
