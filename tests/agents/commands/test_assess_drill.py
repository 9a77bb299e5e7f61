"""`voxwarden assess drill`: lines and mistakes. `tests/agents/test_drill.py` is live."""

from pathlib import Path

from pipeline.base.errors import DependencyError, InputError
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


def test_a_drill_without_a_gateway_says_so(assess_at: Assess, duties: Database) -> None:
    given = ("--gateway", "ws://127.0.0.1:9", "--token", "x" * 16, "--label", "violence", "--wait", "0")
    result = assess_at("drill", "run", *given)
    assert isinstance(result.exception, DependencyError)
    assert "ws://127.0.0.1:9" in str(result.exception)
    assert "lines have no recording" in result.stderr


def test_two_sources_of_sound_are_refused(assess_at: Assess, duties: Database, tmp_path: Path) -> None:
    result = assess_at("drill", "run", "--audio", str(tmp_path), "--speak", "say {file} {text}")
    assert isinstance(result.exception, InputError)
