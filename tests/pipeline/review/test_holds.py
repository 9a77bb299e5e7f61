"""Legal holds: placing, releasing, and what they tell the log."""

import pytest

from pipeline.errors import CaseError, Missing
from pipeline.review import audit, holds
from pipeline.review.database import Database
from tests.pipeline.review.builders import NOON


def test_a_hold_stands_until_it_is_released(database: Database) -> None:
    with database.write() as connection:
        first = holds.place(connection, "speaker", "ann", "court order 7", "lea", NOON)
        second = holds.place(connection, "room", "lobby", "police 12", "lea", NOON + 1)
        assert holds.active(connection) == [first, second]
        holds.release(connection, first.id, "ada", NOON + 2)
        assert holds.active(connection) == [second]
        with pytest.raises(Missing, match="released already"):
            holds.release(connection, first.id, "ada", NOON + 3)


def test_the_log_tells_who_and_why_but_not_which_speaker(database: Database) -> None:
    with database.write() as connection:
        hold = holds.place(connection, "speaker", "ann-the-speaker", "court order 7", "lea", NOON)
        holds.release(connection, hold.id, "ada", NOON + 1)
        lines = list(audit.lines(connection))[-2:]
    assert [(line.action, line.actor) for line in lines] == [("hold.place", "lea"), ("hold.release", "ada")]
    assert all("court order 7" in line.detail and "ann-the-speaker" not in line.detail for line in lines)


@pytest.mark.parametrize(("subject", "reason"), [("", "why"), ("ann", "")])
def test_neither_subject_nor_reason_can_be_left_out(database: Database, subject: str, reason: str) -> None:
    with pytest.raises(CaseError, match="what is held, and why"), database.write() as connection:
        holds.place(connection, "speaker", subject, reason, "lea", NOON)
