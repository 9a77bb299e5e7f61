"""Suggested cases of article 3: each once, dated by working days, decided by a person with a reason."""

from datetime import date
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pytest

from pipeline.assessment import hazards, triggers
from pipeline.assessment.triggers import Signal, Trigger
from pipeline.assessment.workdays import SHIPPED, Calendar
from pipeline.base.errors import CaseError, InputError, Missing
from pipeline.review import audit_log
from pipeline.review.database import Database
from tests.builders import NOON

SHIPPED_ONLY = Calendar((SHIPPED,))
KIDS = Signal("3.1", "room_type:kids", {"first_seen_at": NOON})
GROWTH = Signal("3.3", "daily speakers", {"growth": 0.7}, "2025-1")


def suggested(
    database: Database, *signals: Signal, at: float = NOON, calendar: Calendar = SHIPPED_ONLY
) -> list[Trigger]:
    with database.write() as connection:
        return triggers.suggest(connection, signals, calendar, at)


def actions(database: Database, subject: str) -> list[tuple[str, str, float]]:
    with database.read() as connection:
        found = audit_log.newest_lines(connection, subject=subject)
    return [(line.action, line.actor, line.at) for line in reversed(found)]


def test_a_signal_gives_one_trigger_however_often_it_is_seen(database: Database) -> None:
    assert [each.id for each in suggested(database, KIDS, GROWTH)] == [KIDS.id, GROWTH.id]
    assert suggested(database, KIDS, GROWTH, at=NOON + 60) == []
    (later,) = suggested(database, Signal("3.3", "daily speakers", {}, "2026-1"), at=NOON + 60)
    with database.read() as connection:
        stored = [(each.id, each.found_at) for each in triggers.all_triggers(connection)]
    assert stored == [(later.id, NOON + 60), (KIDS.id, NOON), (GROWTH.id, NOON)]
    assert actions(database, KIDS.id) == [("trigger.suggest", "watch", NOON)]


def test_growth_is_due_in_working_days_and_a_new_room_type_before_its_launch(database: Database) -> None:
    kids, growth = suggested(database, KIDS, GROWTH)
    assert (kids.due, kids.before_launch) == (None, True)
    # From 2026-01-02: 4 and 5 to 9 January (6), three weeks (21), 2 to 6 February (26), 9 to 12 February.
    assert (growth.due, growth.before_launch) == ("2026-02-12", False)


def test_a_missing_calendar_leaves_the_date_open_until_it_comes(database: Database, tmp_path: Path) -> None:
    (growth,) = suggested(database, GROWTH, calendar=Calendar((tmp_path,)))
    assert growth.due is None
    assert triggers.due_of(growth, Calendar((tmp_path,))).without == 2026
    suggested(database)
    with database.read() as connection:
        assert triggers.find(connection, growth.id).due == "2026-02-12"


@pytest.mark.parametrize(("accept", "state"), [(True, "accepted"), (False, "rejected")])
def test_a_person_decides_once_with_a_reason(database: Database, accept: bool, state: str) -> None:
    suggested(database, KIDS)
    with pytest.raises(InputError, match="reason"), database.write() as connection:
        triggers.decide(connection, KIDS.id, accept, "  ", "lea", NOON + 1)
    with database.write() as connection:
        decided = triggers.decide(connection, KIDS.id, accept, "a test of the app", "lea", NOON + 2)
    assert (decided.state, decided.decided_by, decided.decided_at) == (state, "lea", NOON + 2)
    assert decided.reason == "a test of the app"
    with pytest.raises(CaseError, match=f"already {state}"), database.write() as connection:
        triggers.decide(connection, KIDS.id, not accept, "no", "ana", NOON + 3)
    assert actions(database, KIDS.id)[1:] == [(f"trigger.{state}", "lea", NOON + 2)]
    assert suggested(database, KIDS) == []


def test_an_unknown_trigger_is_missing(database: Database) -> None:
    with pytest.raises(Missing, match=r"3\.1-none"), database.write() as connection:
        triggers.decide(connection, "3.1-none", True, "a reason", "lea", NOON)


def test_a_notice_keeps_the_hash_of_its_scan_and_counts_from_its_date(database: Database) -> None:
    proof = hazards.of_stream(BytesIO(b"scan"), "notice.pdf")
    with database.write() as connection:
        notice = triggers.record_notice(connection, "网信办", date(2025, 12, 25), proof, "lea", SHIPPED_ONLY, NOON)
    assert notice.detail == {
        "authority": "网信办",
        "date": "2025-12-25",
        "scan": {"path": "notice.pdf", "sha256": sha256(b"scan").hexdigest()},
    }
    # From 2025-12-26: 4 days of December, 21 of January after New Year and with a working Sunday, 5 of February.
    assert notice.due == "2026-02-06"
    with pytest.raises(CaseError, match="already recorded"), database.write() as connection:
        triggers.record_notice(connection, "网信办", date(2025, 12, 25), proof, "lea", SHIPPED_ONLY, NOON + 1)
    assert actions(database, notice.id) == [("trigger.suggest", "lea", NOON)]


@pytest.mark.parametrize(("authority", "day"), [(" ", date(2025, 12, 1)), ("公安局", date(2026, 1, 2))])
def test_a_notice_needs_an_authority_and_a_day_that_has_come(database: Database, authority: str, day: date) -> None:
    scan = hazards.of_stream(BytesIO(b"scan"), "notice.pdf")
    with pytest.raises(InputError), database.write() as connection:
        triggers.record_notice(connection, authority, day, scan, "lea", SHIPPED_ONLY, NOON)
