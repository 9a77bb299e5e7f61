"""The words of each case, for search. They are written in the transaction that stores the case.

A disguised word is found as it was transcribed, and by the lexicon's term that it hit. The words go with their case:
the table's rows are deleted with those of the case, and on SQLite `compact` takes them out of the full-text index.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, func, select, text, tuple_

from pipeline.contract.messages import Flag
from pipeline.review import upsert
from pipeline.review.cases import reading
from pipeline.review.database import Database
from pipeline.review.search import sounds
from pipeline.review.search.grams import fold, grams
from pipeline.review.tables.core import CASES
from pipeline.review.tables.quality import COPIES
from pipeline.review.tables.search import SAID

LONGEST = 20_000
"""The most characters of a case that search finds."""
BATCH = 200


def store_words(connection: Connection, case: str, created_at: float, flags: Iterable[Flag]) -> None:
    """Store the words of a case, in place of those before. `flags` are all its flags."""
    values = _values(case, created_at, flags)
    statement = upsert.upsert(connection, SAID).values(values)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[SAID.c.case_id], set_={name: statement.excluded[name] for name in ("text", "grams")}
        )
    )


def refresh(connection: Connection, case: str) -> None:
    """Store the words of a case again from all its flags, linked ones included."""
    file = reading.case_file(connection, case)
    store_words(connection, case, file.case.created_at, (*file.flags, *file.linked))


def words(flags: Iterable[Flag]) -> str:
    """Return the folded words and the sounds of flags, and after them the terms that the words hit and do not have."""
    known = list(flags)
    said = "\n".join(sounds.sound_words(flag.sound) if flag.sound else fold(flag.text) for flag in known)
    terms = dict.fromkeys(fold(hit.term) for flag in known for hit in flag.hits)
    return "\n".join((said, *(term for term in terms if term not in said)))[:LONGEST]


def catch_up(database: Database) -> int:
    """Store the words of cases that have none, newest first, BATCH cases in each transaction. Return their number.

    Such cases are older than the index, or a process of an older version stored them.
    """
    total, last = 0, None
    while True:
        with database.write() as connection:
            found = _without_words(connection, last)
            for case in found:
                refresh(connection, case.id)
        if not found:
            return total
        total, last = total + len(found), (found[-1].created_at, found[-1].id)


def is_indexing(connection: Connection) -> bool:
    """Tell whether the oldest case has no words yet, so that `catch_up` is still at work."""
    oldest = select(func.min(CASES.c.created_at)).where(CASES.c.id.not_in(COPIES)).scalar_subquery()
    indexed = select(func.min(SAID.c.created_at)).scalar_subquery()
    return bool(connection.scalar(select(func.coalesce(oldest < indexed, indexed.is_(None) & oldest.is_not(None)))))


def compact(connection: Connection) -> None:
    """Take the words of deleted cases out of SQLite's full-text index.

    FTS5 only marks them as deleted at first. PostgreSQL's autovacuum does the same for its index.
    """
    if connection.dialect.name == "sqlite":
        connection.execute(text("INSERT INTO said_index(said_index) VALUES ('optimize')"))


def _values(case: str, created_at: float, flags: Iterable[Flag]) -> dict[str, Any]:
    found = words(flags)
    return {"case_id": case, "created_at": created_at, "text": found, "grams": grams(found)}


def _without_words(connection: Connection, last: tuple[float, str] | None) -> Sequence[Any]:
    query = (
        select(CASES.c.id, CASES.c.created_at)
        .where(CASES.c.id.not_in(COPIES))
        .where(~select(SAID.c.number).where(SAID.c.case_id == CASES.c.id).exists())
        .order_by(CASES.c.created_at.desc(), CASES.c.id.desc())
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    if last is not None:
        query = query.where(tuple_(CASES.c.created_at, CASES.c.id) < tuple_(*last))
    return connection.execute(query).all()
