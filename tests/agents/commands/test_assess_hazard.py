"""`voxwarden assess hazard`: from the finding to the proof."""

from pathlib import Path

import pytest

from pipeline.base.errors import InputError
from pipeline.review.cases.values import Choice
from pipeline.review.database import Database
from pipeline.review.review_store import SqlReviewStore
from tests.agents.commands.conftest import DAY, Assess
from tests.builders import NOON, flag


def test_a_hazard_of_a_person_is_assigned_fixed_and_closed_with_a_file(
    assess_at: Assess, duties: Database, tmp_path: Path
) -> None:
    identity = assess_at("hazard", "add", "backups are open", "--about", "5(5)", "--by", "lin").stdout.split()[0]
    assert isinstance(assess_at("hazard", "add", "backups are open", "--about", "5(5)").exception, InputError)
    assert "owner ben" in assess_at("hazard", "assign", identity, "--owner", "ben", "--due", "2026-02-01").stdout
    assert "fixed" in assess_at("hazard", "fix", identity, "--note", "encrypted").stdout
    assert isinstance(assess_at("hazard", "close", identity).exception, InputError)
    proof = tmp_path / "proof.pdf"
    proof.write_bytes(b"proof")
    assert "closed" in assess_at("hazard", "close", identity, "--file", str(proof)).stdout
    shown = assess_at("hazard", "show", identity).stdout
    assert f"path {proof}  sha256 " in shown
    steps = [line.split()[3] for line in shown.splitlines() if line.startswith("  ") and "sha256" not in line]
    assert steps == ["open", "open", "fixed", "closed"]
    assert identity in assess_at("hazard", "list", "--state", "closed").stdout
    assert "open" in assess_at("hazard", "reopen", identity, "--note", "again").stdout


def test_a_missed_limit_is_found_and_closed_by_a_later_window_that_keeps_it(
    assess_at: Assess, duties: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOXWARDEN_ASSESSMENT__LIMITS", '{"I-24.listener_seconds": 0.5}')
    store = SqlReviewStore(duties)
    (outcome,) = store.add([flag("a", 0, 1, listeners=10)], NOON + 1)
    store.decide(outcome.case, "ana", Choice(verdict="uphold"), NOON + 5)
    (found,) = assess_at("hazard", "find", "--since", "2d").stdout.splitlines()
    identity = found.split()[0]
    assert "I-24.listener_seconds: 40 > 0.5" in found
    assess_at("hazard", "fix", identity, "--note", "faster")
    store.add([flag("b", 2 * DAY, 2 * DAY + 1, listeners=10)], NOON + 2 * DAY)
    (late,) = store.add([flag("c", 2 * DAY + 9, 2 * DAY + 10, listeners=0, speaker="bob")], NOON + 2 * DAY)
    store.decide(late.case, "ana", Choice(verdict="uphold"), NOON + 2 * DAY + 30)
    closed = assess_at("hazard", "recheck", "--since", "2026-01-03T00:00", days=2.5).stdout
    assert closed.startswith(f"{identity}  closed")


def test_an_incident_and_a_failed_drill_are_found(assess_at: Assess, duties: Database) -> None:
    assess_at("register", "add", "incident", "--field", "title=broker down", "--field", "severity=high")
    assess_at("drill", "stop", "--room", "test-1", "--wait", "0")
    found = assess_at("hazard", "find").stdout
    assert "broker down" in found
    assert "I-28.drill" in found
    assert assess_at("hazard", "find").stdout.startswith("No new hazards.")


@pytest.mark.parametrize("about", ["5(9)", "I-33", "backups"])
def test_a_hazard_is_about_an_item_or_an_indicator(assess_at: Assess, duties: Database, about: str) -> None:
    refused = assess_at("hazard", "add", "backups are open", "--about", about)
    assert isinstance(refused.exception, InputError)
    assert assess_at("hazard", "list").stdout == "No hazards.\n"


def test_a_due_date_that_is_over_is_refused(assess_at: Assess, duties: Database) -> None:
    late = assess_at("hazard", "add", "backups are open", "--about", "5(5)", "--due", "2026-01-01")
    assert isinstance(late.exception, InputError)
    identity = assess_at("hazard", "add", "backups are open", "--about", "5(5)", "--due", "2026-01-02").stdout.split()[
        0
    ]
    error = assess_at("hazard", "assign", identity, "--owner", "ben", "--due", "2026-01-01").exception
    assert str(error) == "The due date 2026-01-01 is over. Give 2026-01-02 or a later day."
