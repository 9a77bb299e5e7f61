"""The figures of users' reports and appeals, compared with times and counts made by hand."""

from contextlib import closing

import pytest
from sqlalchemy import insert, select

from pipeline.assessment.indicators import user_rights
from pipeline.assessment.options import Options
from pipeline.contract.messages import Verdict
from pipeline.review.cases import appeals, deciding, leases, user_reports
from pipeline.review.cases.case_queue import Ranking
from pipeline.review.cases.case_values import Choice
from pipeline.review.cases.user_reports import Complaint
from pipeline.review.database import Database
from pipeline.review.delivery import event_outbox
from pipeline.review.quality import snapshot
from pipeline.review.quality.figure import Window
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.tables.core import AUDIT, OUTBOX
from tests.builders import NOON, flag
from tests.pipeline.assessment.reading import WEEK, figures, steps
from tests.pipeline.review import people

HOUR = 3_600.0
OPTIONS = Options(acknowledge=HOUR, report=2 * HOUR, appeal=24 * HOUR)


def report(database: Database, room: str, at: float, label: str = "abuse") -> str:
    with database.write() as connection:
        filed, _ = user_reports.file(
            connection, Complaint(room=room, speaker="ann", label=label, at=at), at, Ranking({}), 180
        )
    return filed.case


def claim(database: Database, case: str, at: float) -> None:
    with database.write() as connection:
        leases.claim(connection, case, "ana", at)


def decide(database: Database, case: str, verdict: Verdict, at: float, action: bool = False) -> str:
    choice = Choice(verdict=verdict, action="mute" if action else None)
    with database.write() as connection:
        return deciding.decide(connection, case, "ana", choice, at).id


@pytest.fixture
def reported(database: Database) -> Database:
    """Four reports: closed after 1 h (right), 3 h (wrong) and 3.5 h (undone after 1 h). One waits.

    Ana took up the first one at once. The app accepted the event about the first one.
    """
    cases = [report(database, f"room {n}", NOON + n, "fraud" if n == 0 else "abuse") for n in range(4)]
    report(database, "early", WEEK.since - 1)
    claim(database, cases[0], NOON + 5)
    decide(database, cases[0], "uphold", NOON + HOUR)
    with database.write() as connection:
        [event] = event_outbox.take(connection, NOON + 2 * HOUR, 120, limit=1, retries=0)
        event_outbox.sent(connection, event, NOON + 2 * HOUR)
    decide(database, cases[1], "dismiss", NOON + 1 + 3 * HOUR)
    undone = decide(database, cases[2], "dismiss", NOON + 2 + HOUR)
    with database.write() as connection:
        deciding.undo(connection, undone, "ana", NOON + 3 + HOUR)
    decide(database, cases[2], "uphold", NOON + 2 + 3.5 * HOUR)
    return database


def test_reports(reported: Database) -> None:
    found = figures(reported, user_rights.handled_reports, OPTIONS)
    assert found["received",].value == 4
    assert (found["acknowledged",].value, found["acknowledged",].n) == (0.5, 4)
    assert found["acknowledged", "label", "fraud"].value == 1
    assert found["p50",].value == 3 * HOUR
    assert (found["p95",].value, found["p95",].unmeasured) == (None, "censored")
    assert (found["in_time",].value, found["in_time",].n) == (0.25, 4)
    assert (found["substantiated",].n, found["feedback",].n) == (3, 3)
    assert found["substantiated",].value == pytest.approx(2 / 3)
    assert found["feedback",].value == pytest.approx(1 / 3)
    assert found["in_time", "label", "fraud"].value == 1
    assert found["received", "label", "abuse"].value == 3


def test_events_and_lines_of_other_cases_are_not_read_for_each_report(sqlite_url: str) -> None:
    """The outbox has an event about each decision, and the audit log a line."""
    with closing(Database(sqlite_url)) as database:
        people.hire(database)
        for n in range(20):
            decide(database, report(database, f"room {n}", NOON + n), "uphold", NOON + HOUR)
        with database.write() as connection:
            event = dict(connection.execute(select(OUTBOX).limit(1)).mappings().one())
            copies = [event | {"id": f"copy {n}", "about": f"another {n}"} for n in range(5_000)]
            connection.execute(insert(OUTBOX), copies)
            line = dict(connection.execute(select(AUDIT).order_by(AUDIT.c.seq.desc()).limit(1)).mappings().one())
            lines = [line | {"seq": line["seq"] + n, "subject": f"another {n}"} for n in range(1, 5_001)]
            connection.execute(insert(AUDIT), lines)
        with database.read() as connection:
            snapshot.take(connection, WEEK.until)
            assert steps(connection, lambda: list(user_rights.handled_reports(connection, WEEK, OPTIONS))) < 50


def test_reports_as_they_stood_at_the_end_of_the_window(reported: Database) -> None:
    found = figures(reported, user_rights.handled_reports, OPTIONS, Window(WEEK.since, NOON + 2 * HOUR))
    assert (found["substantiated",].value, found["substantiated",].n) == (1, 1)
    assert found["in_time",].value == 0.25
    assert found["p50",].unmeasured == "censored"
    assert found["feedback",].value == 0  # the app accepted the event just then
    later = figures(reported, user_rights.handled_reports, OPTIONS, Window(WEEK.since, NOON + 2 * HOUR + 1))
    assert later["feedback",].value == 1


def test_a_report_is_acknowledged_when_a_person_first_takes_up_its_case(database: Database) -> None:
    """The second report joins while Ana holds the case, so that only her decision is about both."""
    case = report(database, "room", NOON)
    claim(database, case, NOON + 60)
    assert report(database, "room", NOON + 90) == case
    decide(database, case, "uphold", NOON + 600)

    def within(seconds: float, until: float = WEEK.until) -> float | None:
        options = Options(acknowledge=seconds)
        found = figures(database, user_rights.handled_reports, options, Window(WEEK.since, until))
        return found["acknowledged",].value

    assert [within(seconds) for seconds in (59, 60, 509, 510)] == [0, 0.5, 0.5, 1]
    assert within(510, until=NOON + 600) == 0.5  # a later line must not change the figure


def test_without_a_stated_time_no_share_is_in_time(reported: Database) -> None:
    found = figures(reported, user_rights.handled_reports, Options())
    for key in ("acknowledged", "in_time"):
        assert (found[key,].value, found[key,].unmeasured) == (None, "not_recorded")


def test_appeals(database: Database) -> None:
    """Four actions; three appeals, one of them against a decision without an action."""
    store = SqlReviewStore(database)
    cases = [store.add([flag(f"{n}", 100 * n, 100 * n + 5)], NOON)[0].case for n in range(5)]
    for number, case in enumerate(cases):
        decide(database, case, "uphold", NOON + 600, action=number < 4)
    with database.write() as connection:
        ids = [appeals.lodge(connection, cases[n], "ann", "no", NOON + HOUR, 10)[0].id for n in (0, 1, 4)]
        appeals.settle(connection, ids[0], "lea", Choice(verdict="dismiss"), NOON + 3 * HOUR, 10)
        appeals.settle(connection, ids[2], "ben", Choice(verdict="uphold"), NOON + 41 * HOUR, 10)
    found = figures(database, user_rights.appeals, OPTIONS)
    assert found["received",].value == 3
    assert (found["per_action",].value, found["per_action",].n) == (0.5, 4)
    assert (found["reversed",].value, found["reversed",].n) == (0.5, 2)
    assert (found["independent",].value, found["independent",].n) == (1, 2)
    assert found["p50",].value == 40 * HOUR
    assert found["in_time",].value == pytest.approx(1 / 3)
    assert found["reversed", "label", "violence"].value == 0.5
    early = figures(database, user_rights.appeals, OPTIONS, Window(WEEK.since, NOON + 2 * HOUR))
    assert (early["reversed",].value, early["reversed",].n, early["received",].value) == (None, 0, 3)


def test_without_reports_and_appeals_only_the_counts_have_a_value(database: Database) -> None:
    for compute in (user_rights.handled_reports, user_rights.appeals):
        found = figures(database, compute, OPTIONS)
        assert found["received",].value == 0
        assert all(one.value is None for key, one in found.items() if key != ("received",))
