"""Two transactions about cases never deadlock. Each pair is forced to overlap, at many statements that take locks."""

import math
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, text

from pipeline.contract.messages import Verdict
from pipeline.review.accounts import presence, wellness
from pipeline.review.cases import appeals, deciding, leases, reading, user_reports
from pipeline.review.cases.case_queue import Ranking
from pipeline.review.cases.case_values import Choice, Evidence
from pipeline.review.cases.user_reports import Complaint
from pipeline.review.database import Database
from pipeline.review.delivery import enforcements
from pipeline.review.delivery.enforcements import Confirmation
from pipeline.review.evidence.evidence_store import EvidenceFolder
from pipeline.review.privacy import erasure, retention_job
from pipeline.review.privacy.erasure import ErasureRequest
from pipeline.review.quality import drawing
from pipeline.review.quality.drawing import Shares
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.tables import METADATA
from pipeline.review.tables.case_tables import APPEALS
from pipeline.review.tables.core import CASES
from pipeline.review.tables.people_tables import BREAKS
from pipeline.settings import Retention
from tests import databases
from tests.builders import NOON, flag
from tests.pipeline.review import people
from tests.pipeline.review.overlaps import locking_statements, overlap

pytestmark = pytest.mark.full  # thirty pairs of transactions that wait for each other

LATER = NOON + 60
UPHOLD, DISMISS = Choice(verdict="uphold"), Choice(verdict="dismiss")
MUTE = Choice(verdict="uphold", action="mute")
MOST_STEPS = 9
"""Of a longer transaction, this many statements are tried, evenly spread."""


class Stage:
    """The works of the tests, on a store with open cases of ann (2), decided cases of dan (2), and a reported room.

    ana's bulk decision upheld dan's cases, and dan appeals against one. ben's lease on ann's first case is over, and so
    is lea's on the second. ana is on a break.
    """

    def __init__(self, folder: Path) -> None:
        self.evidence = EvidenceFolder(folder)

    def fill(self, database: Database) -> None:
        people.hire(database)
        store = SqlReviewStore(database)
        flags = [flag(f"{who}{n}", 100 * n, 100 * n + 5, speaker=who) for who in ("ann", "dan") for n in range(2)]
        for outcome in store.add(flags, NOON):
            path = self.evidence.put(outcome.case, NOON, b"sound")
            clip = Evidence(path=path, case=outcome.case, start=NOON, end=NOON, seconds=1.0, bytes=5, sha256="")
            store.attach(clip)
        with database.write() as connection:
            ann, dan = self.of(connection, "ann"), self.of(connection, "dan")
            made = [deciding.decide(connection, case, "ana", MUTE, NOON) for case in dan]
            appeals.lodge(connection, made[0].case, "dan", "no", NOON + 11, 10.0)
            user_reports.file(connection, Complaint(room="den", reporter="cy", at=NOON), NOON, Ranking({}), 60.0)
            leases.claim(connection, ann[0], "ben", NOON - 400)
            leases.claim(connection, ann[1], "lea", NOON - 400)
            wellness.start_break(connection, "ana", NOON)

    def of(self, connection: Connection, speaker: str) -> list[str]:
        return sorted(connection.scalars(select(CASES.c.id).where(CASES.c.speaker == speaker, CASES.c.room == "room")))

    def bulk(self, database: Database) -> None:
        with database.write() as connection:
            found = [reading.case(connection, case) for case in reversed(self.of(connection, "ann"))]
            deciding.decide_all(connection, found, "ada", UPHOLD, LATER)

    def bulk_undo(self, database: Database) -> None:
        with database.write() as connection:
            deciding.undo_all(connection, deciding.last_of(connection, "ana", NOON - 1), "ana", NOON + 9)

    def decide(self, which: int, who: str, database: Database) -> None:
        """Decide as the page does: with the lease that the person has, or takes."""
        with database.write() as connection:
            case = self.of(connection, "ann")[which]
            lease = leases.lease_of(connection, case)
            if lease is None or lease.account != who:
                lease = leases.claim(connection, case, who, LATER)
        with database.write() as connection:
            leases.check_lease(connection, lease.id, who)
            deciding.decide(connection, case, who, DISMISS, LATER)

    def claim(self, which: int, who: str, database: Database) -> None:
        with database.write() as connection:
            leases.claim(connection, self.of(connection, "ann")[which], who, LATER)

    def claim_elsewhere(self, database: Database) -> None:
        """Take the reported case. That ends lea's lease on a case of ann."""
        with database.write() as connection:
            [case] = connection.scalars(select(CASES.c.id).where(CASES.c.room == "den"))
            leases.claim(connection, case, "lea", LATER)

    def pause(self, who: str, database: Database) -> None:
        with database.write() as connection:
            wellness.start_break(connection, who, LATER)

    def settle(self, who: str, verdict: Verdict, database: Database) -> None:
        with database.write() as connection:
            appeal = connection.scalars(select(APPEALS.c.id)).one()
            made = appeals.settle(connection, appeal, who, Choice(verdict=verdict), LATER, 10.0)
        with database.write() as connection:
            deciding.undo(connection, made.id, who, LATER + 1)

    def confirm(self, database: Database) -> None:
        with database.write() as connection:
            for one in deciding.last_of(connection, "ana", NOON - 1)[::-1]:
                enforcements.confirm(
                    connection,
                    Confirmation(decision=one.id, action="mute", result="done", at=LATER, received_at=LATER),
                )
                return

    def deliver(self, database: Database) -> None:
        flags = [flag(f"new {who}{n}", 100 * n + 4, 100 * n + 8, speaker=who) for n in (1, 0) for who in ("dan", "ann")]
        SqlReviewStore(database).add(flags, LATER)

    def found(self, database: Database) -> None:
        with database.read() as connection:
            [report] = user_reports.awaiting_clip(connection, LATER)
        with database.write() as connection:
            user_reports.finish_search(connection, report, {"ann", "dan"})

    def draw(self, database: Database) -> None:
        with database.write() as connection:
            drawing.draw(connection, self.evidence, LATER, Shares(1.0, 0.0), 10.0)

    def erase(self, who: str, database: Database) -> None:
        erasure.carry_out(database, self.evidence, ErasureRequest(who, "ada", LATER), "ada", LATER)

    def look(self, page: str, case: str, database: Database) -> None:
        """Show a case on a page of ana. She has as many pages as she may, and a page of ben is over."""
        with database.write() as connection:
            for number in range(presence.MOST_PAGES):
                presence.note_viewer(connection, "ana", str(number), "old", LATER - 1)
            presence.note_viewer(connection, "ben", "over", "old", LATER - presence.SHOWN_SECONDS)
            presence.note_viewer(connection, "ana", page, case, LATER)

    def expire(self, database: Database) -> None:
        retention_job.run_retention(database, self.evidence, Retention(), NOON + 400 * retention_job.DAY)


WORKS: dict[str, Callable[[Stage], Callable[[Database], Any]]] = {
    "bulk": lambda stage: stage.bulk,
    "undo of a bulk": lambda stage: stage.bulk_undo,
    "decision on the first": lambda stage: partial(stage.decide, 0, "ben"),
    "decision on the last": lambda stage: partial(stage.decide, 1, "lea"),
    "claim by ana": lambda stage: partial(stage.claim, 0, "ana"),
    "claim of lea's by ben": lambda stage: partial(stage.claim, 1, "ben"),
    "claim of ben's by lea": lambda stage: partial(stage.claim, 0, "lea"),
    "claim elsewhere by lea": lambda stage: stage.claim_elsewhere,
    "break of ana": lambda stage: partial(stage.pause, "ana"),
    "break of ben": lambda stage: partial(stage.pause, "ben"),
    "appeal upheld": lambda stage: partial(stage.settle, "ben", "uphold"),
    "appeal overturned": lambda stage: partial(stage.settle, "ada", "dismiss"),
    "confirmation": lambda stage: stage.confirm,
    "delivery": lambda stage: stage.deliver,
    "clip of a report": lambda stage: stage.found,
    "drawing": lambda stage: stage.draw,
    "erasure of ann": lambda stage: partial(stage.erase, "ann"),
    "erasure of dan": lambda stage: partial(stage.erase, "dan"),
    "retention": lambda stage: stage.expire,
    "page of ana": lambda stage: partial(stage.look, "x", "a"),
    "another page of ana": lambda stage: partial(stage.look, "y", "b"),
}

PAIRS = (
    ("bulk", "decision on the first"),
    ("bulk", "decision on the last"),
    ("bulk", "claim by ana"),
    ("bulk", "delivery"),
    ("bulk", "erasure of ann"),
    ("bulk", "retention"),
    ("undo of a bulk", "delivery"),
    ("undo of a bulk", "erasure of dan"),
    ("confirmation", "undo of a bulk"),
    ("claim elsewhere by lea", "bulk"),
    ("claim by ana", "claim by ana"),
    ("page of ana", "another page of ana"),
    ("undo of a bulk", "drawing"),
    ("decision on the first", "claim of ben's by lea"),
    ("decision on the first", "claim by ana"),
    ("decision on the first", "break of ben"),
    ("decision on the first", "retention"),
    ("claim of lea's by ben", "claim of ben's by lea"),
    ("claim by ana", "break of ana"),
    ("break of ana", "break of ana"),
    ("appeal upheld", "appeal overturned"),
    ("appeal upheld", "undo of a bulk"),
    ("appeal upheld", "erasure of dan"),
    ("clip of a report", "retention"),
    ("clip of a report", "erasure of ann"),
    ("delivery", "retention"),
    ("delivery", "erasure of dan"),
    ("drawing", "erasure of dan"),
    ("drawing", "retention"),
    ("confirmation", "erasure of dan"),
)
"""If two can deadlock, it shows in either order. The shorter one comes first, because it is the one that stops."""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage(tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="module")
def filled(postgres_server: str, postgres_model: str, stage: Stage) -> Iterator[Database]:
    """A PostgreSQL database with the rows of `stage`, and a copy of each row in the schema `kept`."""
    with (
        databases.created(postgres_server, f"scene TEMPLATE {postgres_model}") as url,
        closing(Database(url)) as database,
    ):
        stage.fill(database)
        with database.write() as connection:
            connection.execute(text("CREATE SCHEMA kept"))
            for table in METADATA.sorted_tables:
                connection.execute(text(f"CREATE TABLE kept.{table.name} AS TABLE {table.name}"))
        yield database


def restore(database: Database) -> None:
    """Give each table its first rows again, without triggers."""
    tables = [table.name for table in METADATA.sorted_tables]
    again = [f"DELETE FROM {name}; INSERT INTO {name} SELECT * FROM kept.{name}" for name in tables]  # noqa: S608
    with database.write() as connection:
        connection.execute(text("; ".join(["SET LOCAL session_replication_role = replica", *again])))


@pytest.mark.parametrize("pair", PAIRS, ids=" with ".join)
def test_two_transactions_never_deadlock(filled: Database, stage: Stage, pair: tuple[str, str]) -> None:
    first, second = (WORKS[name](stage) for name in pair)
    restore(filled)
    steps = locking_statements(filled, first)
    assert steps > 1
    for step in range(1, steps + 1, math.ceil(steps / MOST_STEPS)):
        restore(filled)
        overlap(filled, first, second, step)
        _check(filled)


def _check(database: Database) -> None:
    """A person is on one break at most, and each case has the verdict of its last standing decision."""
    with database.read() as connection:
        resting = list(connection.scalars(select(BREAKS.c.account).where(BREAKS.c.ended_at.is_(None))))
        assert len(resting) == len(set(resting))
        for row in connection.execute(select(CASES)).all():
            standing = [one for one in reading.decisions(connection, row.id) if one.undone is None]
            assert row.verdict == (standing[-1].verdict if standing else None)
