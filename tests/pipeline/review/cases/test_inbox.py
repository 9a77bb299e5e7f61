"""What waits for a person, and what is new."""

from pipeline.review.appeals import appeals
from pipeline.review.cases import assigning, deciding, eligibility, inbox, notes
from pipeline.review.cases.case_queue import QueueFilter
from pipeline.review.cases.inbox import News, WaitingWork
from pipeline.review.cases.values import Choice
from pipeline.review.database import Database
from pipeline.review.review_store import SqlReviewStore
from tests.builders import NOON, flag


def stored(database: Database, count: int) -> list[str]:
    flags = [flag(str(n), speaker=f"s{n}") for n in range(count)]
    return [outcome.case for outcome in SqlReviewStore(database).add(flags, NOON)]


def due(database: Database, account: str, decides: bool = True) -> WaitingWork:
    with database.read() as connection:
        wanted = QueueFilter(eligibility=eligibility.eligibility_of(connection, account, NOON))
        return inbox.due(connection, account, wanted, decides, decides)


def news(database: Database, account: str, since: float, at: float) -> News:
    with database.read() as connection:
        wanted = QueueFilter(eligibility=eligibility.eligibility_of(connection, account, at))
        return inbox.news(connection, account, wanted, since, at, 1_800.0)


def test_what_waits(database: Database) -> None:
    given, escalated, upheld = stored(database, 3)
    with database.write() as connection:
        assigning.move(connection, [given], "lea", "lea", "other", NOON, 60.0)
        notes.add_note(connection, given, "ana", "@lea @aud", NOON)
        deciding.decide(connection, escalated, "ana", Choice(verdict="escalate"), NOON)
        deciding.decide(connection, upheld, "ana", Choice(verdict="uphold"), NOON)
        appeals.lodge(connection, upheld, "s2", "No.", NOON + 60, undo_seconds=10.0)
    assert due(database, "lea") == WaitingWork(mentions=1, assigned=1, escalated=1, appeals=1, disputes=0)
    assert due(database, "ana") == WaitingWork(mentions=0, assigned=0, escalated=0, appeals=0, disputes=0)
    assert due(database, "aud", decides=False) == WaitingWork(
        mentions=1, assigned=0, escalated=0, appeals=0, disputes=0
    )
    assert due(database, "lea").total == 4


def test_what_is_new(database: Database) -> None:
    first, second = stored(database, 2)
    with database.write() as connection:
        assigning.move(connection, [first, second], "ana", "lea", "other", NOON + 10, 60.0)
        notes.add_note(connection, first, "ben", "@ana", NOON + 20)
    assert news(database, "ana", NOON, NOON + 30) == News(mentions=1, assigned=2)
    assert news(database, "ana", NOON + 10, NOON + 30) == News(mentions=1)
    assert news(database, "ben", NOON, NOON + 30) == News()
    near = NOON + 3_600 - inbox.NEAR_SECONDS
    assert news(database, "ana", near - 1, near) == News(near=2)
    assert news(database, "ana", near, near + 1) == News()
    flags = [flag("severe", speaker="x", suggestion="block"), flag("mild", speaker="y")]
    SqlReviewStore(database).add(flags, NOON + 5_000)
    assert news(database, "ben", NOON + 4_999, NOON + 5_001) == News(severe=1)
