"""Legal holds: placing, releasing, and their lines in the audit log."""

import pytest
from sqlalchemy import insert, select

from pipeline.base.errors import CaseError, Missing
from pipeline.review import audit
from pipeline.review.database import Database
from pipeline.review.privacy import holds
from pipeline.review.store import SqlReviewStore
from pipeline.review.tables.core import CASES
from pipeline.review.tables.rights import VOICES
from tests.builders import NOON, flag


def test_a_hold_is_active_until_it_is_released(database: Database) -> None:
    with database.write() as connection:
        first = holds.place_hold(connection, "speaker", "ann", "court order 7", "lea", NOON)
        second = holds.place_hold(connection, "room", "lobby", "police 12", "lea", NOON + 1)
        assert holds.active(connection) == [first, second]
        holds.release_hold(connection, first.id, "ada", NOON + 2)
        assert holds.active(connection) == [second]
        with pytest.raises(Missing, match="released already"):
            holds.release_hold(connection, first.id, "ada", NOON + 3)


def test_the_audit_log_shows_actor_and_reason_but_no_speaker(database: Database) -> None:
    with database.write() as connection:
        hold = holds.place_hold(connection, "speaker", "ann-the-speaker", "court order 7", "lea", NOON)
        holds.release_hold(connection, hold.id, "ada", NOON + 1)
        lines = list(audit.all_lines(connection))[-2:]
    assert [(line.action, line.actor) for line in lines] == [("hold.place", "lea"), ("hold.release", "ada")]
    assert all("court order 7" in line.detail and "ann-the-speaker" not in line.detail for line in lines)


@pytest.mark.parametrize(("subject", "reason"), [("", "why"), ("ann", "")])
def test_a_hold_needs_a_subject_and_a_reason(database: Database, subject: str, reason: str) -> None:
    with pytest.raises(CaseError, match="needs a subject and a reason"), database.write() as connection:
        holds.place_hold(connection, "speaker", subject, reason, "lea", NOON)


def test_a_hold_moves_with_a_merged_case(database: Database) -> None:
    store = SqlReviewStore(database)
    first, second = (outcome.case for outcome in store.add([flag("a", 0, 5), flag("b", 10, 15)], NOON))
    with database.write() as connection:
        for case in (first, second):
            holds.place_hold(connection, "case", case, "court order 7", "lea", NOON)
    [joint] = store.add([flag("between", 4, 11)], NOON)
    assert joint.case in {first, second}
    with database.read() as connection:
        assert [hold.subject for hold in holds.active(connection)] == [joint.case] * 2
        assert list(connection.scalars(select(CASES.c.id).where(holds.held()))) == [joint.case]


def test_a_hold_on_a_voice_holds_only_the_cases_that_it_is_heard_in(database: Database) -> None:
    store = SqlReviewStore(database)
    heard, other = (outcome.case for outcome in store.add([flag("a", speaker="ann"), flag("b", speaker="ben")], NOON))
    with database.write() as connection:
        connection.execute(insert(VOICES).values(case_id=heard, speaker="cho"))
        holds.place_hold(connection, "speaker", "cho", "court order 7", "lea", NOON)
        assert list(connection.scalars(select(CASES.c.id).where(holds.held()))) == [heard]
        assert [row.id for row in connection.execute(holds.cases())] == [heard]
        assert not holds.is_held(connection, other)
