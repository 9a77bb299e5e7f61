"""Decisions in the store are compared with their lines in the audit log."""

from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import delete, insert, text, update

from pipeline.assessment.report import logged_decisions
from pipeline.assessment.report.logged_decisions import LoggedDecisions
from pipeline.review.cases import appeals, correcting, deciding, reading
from pipeline.review.cases.case_queue import Ranking
from pipeline.review.cases.case_values import Choice
from pipeline.review.database import Database
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.tables.core import AUDIT, DECISIONS
from tests.builders import NOON, flag


def compared(database: Database) -> LoggedDecisions:
    with database.read() as connection:
        return logged_decisions.compare(connection, NOON + 86_400)


@pytest.fixture
def decided(database: Database) -> Database:
    """A store in which people decided, undid, corrected, reopened and settled an appeal: six decisions."""
    store = SqlReviewStore(database)
    said = [flag(name, room=name, speaker="sam") for name in "abc"]
    cases = [outcome.case for outcome in store.add(said, NOON)]
    with database.write() as connection:
        uphold = Choice(verdict="uphold", label="fraud", reason="clear", action="mute", duration_seconds=60.0)
        first = deciding.decide(connection, cases[0], "ana", uphold, NOON + 10)
        deciding.undo(connection, first.id, "ana", NOON + 12)
        deciding.decide(connection, cases[0], "ana", Choice(verdict="escalate"), NOON + 14)
        for case in cases[1:]:
            deciding.decide(connection, case, "ana", uphold, NOON + 20)
        lodged, _ = appeals.lodge(connection, cases[1], "sam", "not me", NOON + 60, 10.0)
        appeals.settle(connection, lodged.id, "ben", Choice(verdict="uphold", label="abuse"), NOON + 70, 10.0)
        choice = Choice(verdict="dismiss", reason="joke")
        version = reading.case(connection, cases[2]).version
        correcting.correct(connection, cases[2], "lea", choice, NOON + 80, version=version)
        correcting.reopen_case(
            connection, cases[2], "lea", "unsure", NOON + 90, version=version + 1, ranking=Ranking({})
        )
    return database


def test_all_that_people_do_is_as_the_log_tells(decided: Database) -> None:
    assert compared(decided) == LoggedDecisions(same=6, different=(), unlogged=0)


@pytest.mark.parametrize(
    "change",
    [{"verdict": "dismiss"}, {"label": "ads"}, {"reason": "x"}, {"action": None}, {"moderator": "x"}, {"undone": None}],
    ids=lambda change: next(iter(change)),
)
def test_each_change_of_a_decision_differs(decided: Database, change: Mapping[str, Any]) -> None:
    with decided.write() as connection:
        connection.execute(update(DECISIONS).where(DECISIONS.c.at == NOON + 10).values(change))
    assert len(compared(decided).different) == 1


def test_a_decision_without_a_line_differs(decided: Database) -> None:
    with decided.write() as connection:
        made = connection.execute(DECISIONS.select().where(DECISIONS.c.at == NOON + 70)).mappings().one()
        connection.execute(insert(DECISIONS).values({**made, "id": "forged", "at": NOON + 75}))
    assert compared(decided).different == ("forged",)


def test_decisions_that_are_older_than_the_log_are_told(decided: Database) -> None:
    with decided.write() as connection:
        postgres = connection.dialect.name == "postgresql"
        guard = "ALTER TABLE audit DISABLE TRIGGER ALL" if postgres else "DROP TRIGGER audit_no_delete"
        connection.execute(text(guard))
        connection.execute(delete(AUDIT).where(AUDIT.c.at < NOON + 30))
    assert compared(decided) == LoggedDecisions(same=2, different=(), unlogged=4)
