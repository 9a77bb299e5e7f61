"""The audit log shows every change that somebody made to it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlalchemy import ColumnElement, Connection, delete, insert, text, update
from sqlalchemy.exc import DBAPIError

from pipeline.base.errors import DependencyError
from pipeline.review import audit_log
from pipeline.review.audit_log import pseudonym
from pipeline.review.database import Database
from pipeline.review.tables.core import AUDIT, AUDIT_HEAD
from tests.builders import NOON


def write(database: Database, count: int = 5) -> None:
    for n in range(count):
        with database.write() as connection:
            audit_log.append(connection, NOON + n, "ana", "case.view", f"case-{n}", {"n": n, "名": "字"})


def unguarded(database: Database) -> None:
    """Remove the triggers that protect the log, as the database's owner can. The head still follows."""
    with database.write() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("ALTER TABLE audit DISABLE TRIGGER audit_only_added"))
            connection.execute(text("ALTER TABLE audit_head DISABLE TRIGGER ALL"))
        else:
            for name in connection.scalars(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).all():
                if name != "audit_head_follows":
                    connection.execute(text(f"DROP TRIGGER {name}"))


def verify(database: Database) -> audit_log.ChainReport:
    with database.read() as connection:
        return audit_log.verify_chain(connection)


def test_an_unchanged_log_verifies(database: Database) -> None:
    write(database)
    report = verify(database)
    assert (report.broken, report.lines) == (None, 10), "the accounts' lines, too"


@pytest.mark.parametrize("heads", [0, 2])
def test_a_log_without_one_head_is_broken(database: Database, heads: int) -> None:
    write(database)
    unguarded(database)
    with database.write() as connection:
        if heads:
            connection.execute(insert(AUDIT_HEAD).values(id=2, seq=1, hash="0" * 64))
        else:
            connection.execute(delete(AUDIT_HEAD))
    report = verify(database)
    assert (report.broken, report.reason) == (11, f"the log has {heads} heads, and not one")


@pytest.mark.parametrize("detail", ["no json", '{"first": 1}', '{"x":' + "[" * 100_000])
def test_a_forged_anchor_of_a_cut_is_a_fault(database: Database, detail: str) -> None:
    write(database)
    unguarded(database)
    with database.write() as connection:
        audit_log.append(connection, NOON, "ana", audit_log.CUT, "9")
        connection.execute(update(AUDIT).where(AUDIT.c.action == audit_log.CUT).values(detail=detail))
        connection.execute(delete(AUDIT).where(AUDIT.c.seq < 9))
    assert verify(database).reason == "line 9 is not the line that the anchor in line 11 names"


@pytest.mark.parametrize("column", ["at", "actor", "action", "subject", "detail"])
def test_a_changed_line_is_found(database: Database, column: str) -> None:
    write(database)
    unguarded(database)
    with database.write() as connection:
        value = 1.0 if column == "at" else "{}"
        connection.execute(update(AUDIT).where(AUDIT.c.seq == 7).values({column: value}))
    assert verify(database).broken == 7


def test_a_missing_line_is_found(database: Database) -> None:
    write(database)
    unguarded(database)
    with database.write() as connection:
        connection.execute(delete(AUDIT).where(AUDIT.c.seq == 7))
    report = verify(database)
    assert (report.broken, report.reason) == (8, "line 7 is missing")


INTO = "INTO audit (at, actor, action, subject, detail, hash, seq) VALUES (5e9, 'eve', 'case.view', 'case', '{}', 'x'"
STATEMENTS = (
    "UPDATE audit SET actor = 'nobody'",
    "DELETE FROM audit WHERE seq = 6",
    "UPDATE audit_head SET seq = 3",
    "UPDATE audit_head SET hash = 'x'",
    "DELETE FROM audit_head",
    "INSERT INTO audit_head (id, seq, hash) VALUES (2, 1, 'x')",
    f"INSERT {INTO}, 8)",
    f"INSERT {INTO}, 3) ON CONFLICT (seq) DO UPDATE SET actor = 'eve'",
)
ONLY_SQLITE = (
    f"INSERT OR REPLACE {INTO}, 3)",
    f"REPLACE {INTO}, 6)",
    "UPDATE OR REPLACE audit SET seq = 5 WHERE seq = 6",
    "REPLACE INTO audit_head (id, seq, hash) VALUES (1, 3, 'x')",
)
ONLY_POSTGRESQL = ("TRUNCATE audit", "TRUNCATE audit_head")


@pytest.mark.parametrize("statement", STATEMENTS)
def test_the_database_refuses_to_change_or_delete_a_line(database: Database, statement: str) -> None:
    with database.write() as connection:
        audit_log.append(connection, 4e9, "ana", "case.view", "case")  # a time far in the future, so the line is young
    with pytest.raises((DBAPIError, DependencyError), match="audit log"), database.write() as connection:
        connection.execute(text(statement))
    assert verify(database).lines == 6


@pytest.mark.parametrize(
    ("kind", "statement"),
    [("sqlite", each) for each in ONLY_SQLITE] + [("postgres", each) for each in ONLY_POSTGRESQL],
)
def test_no_dialect_has_a_way_around(request: pytest.FixtureRequest, kind: str, statement: str) -> None:
    with closing(Database(request.getfixturevalue(f"{kind}_url"))) as database:
        write(database, 6)
        with pytest.raises((DBAPIError, DependencyError), match="audit log"), database.write() as connection:
            connection.execute(text(statement))
        assert (verify(database).broken, verify(database).lines) == (None, 6)


@pytest.mark.parametrize(
    ("deleted", "fault"),
    [
        (AUDIT.c.seq <= 6, "the lines before line 7 were deleted without an anchor"),
        (AUDIT.c.seq > 6, "lines 7 to 10 are missing"),
        (AUDIT.c.seq > 0, "lines 1 to 10 are missing"),
    ],
)
def test_a_cut_without_an_anchor_is_found(database: Database, deleted: ColumnElement[bool], fault: str) -> None:
    write(database)
    known = verify(database)
    unguarded(database)
    with database.write() as connection:
        connection.execute(delete(AUDIT).where(deleted))
    assert verify(database).reason == fault
    with database.read() as connection:
        assert audit_log.verify_chain(connection, known).broken is not None, "a later check finds it, too"


def test_a_gap_at_the_end_stays_when_lines_are_added(database: Database) -> None:
    write(database)
    with database.write() as connection:
        connection.execute(text("DROP TRIGGER IF EXISTS audit_no_delete" + on_audit(connection)))
        connection.execute(text("DROP TRIGGER IF EXISTS audit_only_added" + on_audit(connection)))
        connection.execute(delete(AUDIT).where(AUDIT.c.seq > 6))
    write(database)
    assert verify(database).reason == "line 7 is missing"


def on_audit(connection: Connection) -> str:
    return " ON audit" if connection.dialect.name == "postgresql" else ""


def test_a_cut_that_is_anchored_is_no_fault_and_the_report_names_the_anchor(database: Database) -> None:
    with database.write() as connection:
        for n in range(5):
            audit_log.append(connection, n, "ana", "case.view", f"case-{n}")
    unguarded(database)
    for first, anchor in ((7, 11), (9, 12)):
        with database.write() as connection:
            audit_log.cut(connection, first, NOON, "retention")
        report = verify(database)
        assert (report.broken, report.first, report.anchor, report.last) == (None, first, anchor, anchor)
        assert report.since == first - 6.0
    with database.write() as connection:
        connection.execute(delete(AUDIT).where(AUDIT.c.seq == 9))
    assert "before line 10 were deleted without" in verify(database).reason


@pytest.mark.parametrize("column", ["actor", "hash", "before"])
def test_a_change_of_the_first_line_after_a_cut_is_found(database: Database, column: str) -> None:
    write(database)
    unguarded(database)
    with database.write() as connection:
        audit_log.cut(connection, 7, NOON, "retention")
        connection.execute(update(AUDIT).where(AUDIT.c.seq == 7).values({column: "eve"}))
    assert verify(database).broken == 7


def test_a_later_check_reads_only_newer_lines_and_finds_their_faults(database: Database) -> None:
    write(database)
    known = verify(database)
    write(database)
    unguarded(database)
    with database.write() as connection:
        connection.execute(update(AUDIT).where(AUDIT.c.seq == 3).values(actor="eve"))
    with database.read() as connection:
        assert audit_log.verify_chain(connection, known).last == 15
        assert audit_log.verify_chain(connection).broken == 3
    with database.write() as connection:
        connection.execute(update(AUDIT).where(AUDIT.c.seq == 12).values(actor="eve"))
    with database.read() as connection:
        assert audit_log.verify_chain(connection, known).broken == 12
    with database.write() as connection:
        connection.execute(update(AUDIT).where(AUDIT.c.seq == 10).values(hash="x"))
    with database.read() as connection:
        assert audit_log.verify_chain(connection, known).broken == 10


def test_a_line_of_an_older_version_goes_on_in_the_chain(database: Database) -> None:
    write(database, 1)
    unguarded(database)
    with database.write() as connection:
        connection.execute(update(AUDIT).values(before=None))
    write(database, 1)
    assert (verify(database).broken, verify(database).lines) == (None, 7)


def test_concurrent_writers_make_one_chain(database: Database) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: write(database, 10), range(4)))
    assert (verify(database).broken, verify(database).lines) == (None, 45)


@pytest.fixture(scope="module")
def reused(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with closing(Database(f"sqlite:///{tmp_path_factory.mktemp('audit') / 'store.db'}")) as opened:
        yield opened


@examples(max_examples=40)
@given(st.text().filter(lambda t: "\x00" not in t and t.isprintable()), st.floats(0, 1e12))
def test_any_written_line_verifies(reused: Database, subject: str, at: float) -> None:
    with reused.write() as connection:
        audit_log.append(connection, at, subject, subject, subject, {"subject": subject})
    assert verify(reused).broken is None


def test_a_check_in_parts_finds_what_a_whole_one_finds(database: Database) -> None:
    write(database, 7)
    with database.read() as connection:
        whole, known, parts = audit_log.verify_chain(connection), audit_log.verify_chain(connection, most=5), 1
        while known.unchecked:
            known, parts = audit_log.verify_chain(connection, known, most=5), parts + 1
        assert (known, parts) == (whole, 3)
    unguarded(database)
    with database.write() as connection:
        connection.execute(delete(AUDIT).where(AUDIT.c.seq == 12))
    with database.read() as connection:
        known = audit_log.verify_chain(connection, most=5)
        while known.unchecked and known.broken is None:
            known = audit_log.verify_chain(connection, known, most=5)
        assert (known.broken, known) == (12, audit_log.verify_chain(connection))


def test_lines_are_sought_by_action_and_time(database: Database) -> None:
    write(database)
    with database.write() as connection:
        audit_log.append(connection, NOON + 2.5, "ben", "case.play", "late")  # written after lines with a later time
    with database.read() as connection:
        assert audit_log.actions(connection) == ["account.add", "case.play", "case.view"]
        between = audit_log.newest_lines(connection, since=NOON + 2, until=NOON + 4)
        assert [(line.seq, line.at) for line in between] == [(11, NOON + 2.5), (9, NOON + 3), (8, NOON + 2)]
        assert [line.seq for line in audit_log.newest_lines(connection, since=NOON + 2, action="case.play")] == [11]
        assert [line.seq for line in audit_log.newest_lines(connection, before=9, since=NOON + 1, until=NOON + 4)] == [
            8,
            7,
        ]
        assert audit_log.newest_lines(connection, until=NOON - 1) == []


def test_a_pseudonym_never_changes() -> None:
    # Old lines of the log have pseudonyms of this kind, and people must still find them.
    assert pseudonym("ann") == sha256(b"speaker\x1fann").hexdigest()[:16]


@given(st.lists(st.text("ab中 \x1f", max_size=9), min_size=2, unique=True))
def test_each_speaker_has_their_own_pseudonym(speakers: list[str]) -> None:
    found = {pseudonym(speaker) for speaker in speakers}
    assert len(found) == len(speakers)
    assert all(len(one) == 16 and set(one) <= set("0123456789abcdef") for one in found)
