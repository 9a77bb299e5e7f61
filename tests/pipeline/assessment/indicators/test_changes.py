"""The figures of the register and of stop drills."""

from typing import Any

import pytest
from sqlalchemy import insert

from pipeline.assessment.indicators import changes
from pipeline.assessment.options import Options
from pipeline.review.database import Database
from pipeline.review.quality.figure import Window
from pipeline.review.tables.assessment_tables import DRILL_LINES, DRILLS, REGISTER
from tests.builders import NOON
from tests.pipeline.assessment.reading import WEEK, figures

OPTIONS = Options()
HOUR, DAY = 3_600.0, 86_400.0


def register(
    database: Database, kind: str, opened: float, closed: float | None, due: float | None, **fields: Any
) -> None:
    """Write an entry that was opened `opened` seconds after NOON; the other times count from there."""
    at = NOON + opened
    values: dict[str, Any] = {
        "id": f"{kind} {at}",
        "kind": kind,
        "opened_at": at,
        "due_at": None if due is None else at + due,
        "closed_at": None if closed is None else at + closed,
        "fields": fields,
        "author": "lea",
        "changed_at": at,
    }
    with database.write() as connection:
        connection.execute(insert(REGISTER).values(values))


def drill(database: Database, name: str, started: float, stopped: list[float | None], kind: str = "stop") -> None:
    at = NOON + started
    lines = [
        {"drill": name, "room": f"room {n}", "language": "zh", "label": "", "text": "", "spoken_at": at}
        | {"stored_at": None if after is None else at + after}
        for n, after in enumerate(stopped)
    ]
    with database.write() as connection:
        connection.execute(insert(DRILLS).values(id=name, kind=kind, started_by="lea", started_at=at))
        connection.execute(insert(DRILL_LINES), lines)


def test_policy_lead_time(database: Database) -> None:
    for number, (closed, emergency) in enumerate(((HOUR, False), (3 * HOUR, False), (60.0, True), (5 * HOUR, False))):
        register(database, "policy_change", 10.0 * number, closed, None, emergency=emergency)
    register(database, "policy_change", -30 * DAY, 1.0, None)
    found = figures(database, changes.policy_lead_time, OPTIONS)
    assert (found["p50",].value, found["max",].value, found["p50",].n) == (HOUR, 5 * HOUR, 4)
    assert found["max", "reason", "emergency"].value == 60
    assert found["p50", "reason", "planned"].value == 3 * HOUR
    register(database, "policy_change", 50, None, None)
    found = figures(database, changes.policy_lead_time, OPTIONS)
    assert (found["max",].value, found["max",].unmeasured, found["max",].n) == (None, "censored", 5)


def test_stop_drills(database: Database) -> None:
    """The slowest complete drill takes 40 s. Drills of detection and of other weeks do not count."""
    drill(database, "one", DAY, [10.0, 40.0, 5.0])
    drill(database, "two", 2 * DAY, [3.0, None, None])
    drill(database, "three", 3 * DAY, [90.0], kind="detection")
    drill(database, "four", -9 * DAY, [99.0])
    found = figures(database, changes.stop_drills, OPTIONS)
    assert (found["seconds",].value, found["failed",].value, found["drills",].value) == (40, 2, 2)
    assert found["failed",].n == 6
    assert found["last",].value == pytest.approx((WEEK.until - NOON) / DAY - 2)


def test_a_drill_in_which_a_room_never_stops_has_no_time(database: Database) -> None:
    drill(database, "two", DAY, [3.0, None])
    found = figures(database, changes.stop_drills, OPTIONS)["seconds",]
    assert (found.value, found.unmeasured) == (None, "censored")


def test_a_room_that_stops_after_the_window_did_not_stop_in_it(database: Database) -> None:
    drill(database, "one", DAY, [3.0, 2 * HOUR])
    early = figures(database, changes.stop_drills, OPTIONS, Window(WEEK.since, NOON + DAY + HOUR))
    assert (early["seconds",].unmeasured, early["failed",].value) == ("censored", 1)
    assert figures(database, changes.stop_drills, OPTIONS)["seconds",].value == 2 * HOUR


def test_synthetic_voice(database: Database) -> None:
    register(database, "synthetic_voice", 0, None, None, clips=90, labelled=90, files=4, marked=1)
    register(database, "synthetic_voice", 10, None, None, clips=10, labelled=5)
    found = figures(database, changes.synthetic_voice, OPTIONS)
    assert (found["share",].value, found["share",].n) == (0.95, 100)
    assert (found["files",].value, found["files",].n) == (0.25, 4)


def test_authority_requests(database: Database) -> None:
    """One in time, one late, one open past its limit, one open within it, one without a limit."""
    register(database, "authority_request", 0, HOUR, DAY, exports=3, signed=2)
    register(database, "authority_request", 1, 2 * DAY, DAY, exports=1, signed=1)
    register(database, "authority_request", 2, None, DAY)
    register(database, "authority_request", 3, None, 30 * DAY)
    register(database, "authority_request", 4, 3 * HOUR, None)
    register(database, "police_report", 0, DAY, None)
    register(database, "police_report", 1, DAY + 1, None)
    found = figures(database, changes.authority_requests, OPTIONS)
    assert found["received",].value == 5
    assert found["in_time",].value == pytest.approx(1 / 3)
    assert found["in_time",].n == 3
    assert (found["p50",].value, found["p50",].n) == (2 * DAY, 5)
    assert (found["signed",].value, found["signed",].n) == (0.75, 4)
    assert (found["police",].value, found["police",].n) == (0.5, 2)


def test_an_empty_register_says_so(database: Database) -> None:
    for compute in (changes.policy_lead_time, changes.synthetic_voice, changes.authority_requests):
        for one in figures(database, compute, OPTIONS).values():
            assert (one.value, one.unmeasured) == (None, "needs_register")
    drills = figures(database, changes.stop_drills, OPTIONS)
    assert drills["drills",].value == 0
    assert drills["failed",].value is None
