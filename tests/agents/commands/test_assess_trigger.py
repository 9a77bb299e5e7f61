"""`voxwarden assess trigger`: watch, decide, and record a notice."""

from pathlib import Path
from typing import Any

from pipeline.base.errors import CaseError, InputError
from pipeline.review.database import Database
from pipeline.review.review_store import SqlReviewStore
from tests.agents.commands.conftest import Assess
from tests.builders import NOON, flag


def speak(database: Database, **changes: Any) -> None:
    SqlReviewStore(database).add([flag("a", 0, 1, **changes)], NOON)


def test_the_watch_prints_new_triggers_once_and_the_list_keeps_them(assess_at: Assess, duties: Database) -> None:
    speak(duties, room_type="kids", flagged=("ads_spam",))
    first = assess_at("trigger", "watch").stdout
    assert "due before launch  New room type: kids" in first
    assert assess_at("trigger", "watch").stdout == ""
    assert sorted(assess_at("trigger", "list").stdout.splitlines()) == sorted(first.splitlines())


def test_an_illegal_case_past_its_deadline_is_due_in_working_days(assess_at: Assess, duties: Database) -> None:
    speak(duties)
    found = assess_at("trigger", "watch").stdout
    assert "due 2026-02-12  Late cases of illegal information" in found  # 30 working days after 2 January


def test_a_year_without_a_calendar_is_told(assess_at: Assess, duties: Database, tmp_path: Path) -> None:
    scan = tmp_path / "notice.pdf"
    scan.write_bytes(b"scan")
    given = ("--authority", "网信办", "--date", "2026-12-28", "--scan", str(scan))
    told = assess_at("trigger", "notice", *given, days=370)
    assert "undetermined" in told.stdout
    assert "2027.yaml" in "".join(told.stderr.split())
    scan.write_bytes(b"another scan")
    assess_at("trigger", "notice", *given, days=371)
    assert assess_at("trigger", "list", days=371).stderr.count("The working days of 2027") == 1


def test_a_person_decides_with_a_reason(assess_at: Assess, duties: Database) -> None:
    speak(duties, flagged=("ads_spam",))
    identity = assess_at("trigger", "watch").stdout.split()[0]
    decided = assess_at("trigger", "reject", identity, "--reason", "a test room", "--by", "lin").stdout
    assert decided.startswith(f"{identity}  rejected")
    assert "a test room" in decided
    again = assess_at("trigger", "accept", identity, "--reason", "it is open")
    assert isinstance(again.exception, CaseError)
    assert identity in assess_at("trigger", "list", "--state", "rejected").stdout


def test_a_wrong_date_is_named(assess_at: Assess, duties: Database, tmp_path: Path) -> None:
    (tmp_path / "n").write_bytes(b"n")
    result = assess_at("trigger", "notice", "--authority", "a", "--date", "soon", "--scan", str(tmp_path / "n"))
    assert isinstance(result.exception, InputError)
    assert "--date soon" in str(result.exception)
