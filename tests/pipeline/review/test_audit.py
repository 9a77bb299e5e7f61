"""The audit log shows every change that somebody made to it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlalchemy import delete, text, update
from sqlalchemy.exc import DBAPIError

from pipeline.errors import DependencyError
from pipeline.review import audit
from pipeline.review.database import Database
from pipeline.review.tables.core import AUDIT
from tests.builders import NOON


def write(database: Database, count: int = 5) -> None:
    for n in range(count):
        with database.write() as connection:
            audit.append(connection, NOON + n, "ana", "case.view", f"case-{n}", {"n": n, "名": "字"})


def unguarded(database: Database) -> None:
    """Remove the triggers that protect the log, as the database's owner can."""
    with database.write() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("ALTER TABLE audit DISABLE TRIGGER ALL"))
        else:
            connection.execute(text("DROP TRIGGER audit_no_update"))
            connection.execute(text("DROP TRIGGER audit_no_delete"))


def verify(database: Database) -> audit.ChainReport:
    with database.read() as connection:
        return audit.verify(connection)


def test_an_unchanged_log_verifies(database: Database) -> None:
    write(database)
    report = verify(database)
    assert (report.broken, report.lines) == (None, 10), "the accounts' lines, too"


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


@pytest.mark.parametrize("statement", ["UPDATE audit SET actor = 'nobody'", "DELETE FROM audit WHERE seq = 6"])
def test_the_database_refuses_to_change_or_delete_a_line(database: Database, statement: str) -> None:
    with database.write() as connection:
        audit.append(connection, 4e9, "ana", "case.view", "case")  # a time far in the future, so the line is young
    with pytest.raises((DBAPIError, DependencyError), match="audit log"), database.write() as connection:
        connection.execute(text(statement))
    assert verify(database).lines == 6


def test_lines_deleted_for_their_age_are_no_fault(database: Database) -> None:
    with database.write() as connection:
        for n in range(3):
            audit.append(connection, n, "ana", "case.view", f"case-{n}")
    unguarded(database)
    with database.write() as connection:
        connection.execute(delete(AUDIT).where(AUDIT.c.seq <= 6))
    assert (verify(database).broken, verify(database).lines) == (None, 2)


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
        audit.append(connection, at, subject, subject, subject, {"subject": subject})
    assert verify(reused).broken is None
