"""The words of each case, for search, and how the index holds them.

The words are written in the transaction that stores the case. A disguised word is found as it was transcribed, and by
the lexicon's term that it hit. The words go with their case: the table's rows are deleted with the case's rows, and on
SQLite `compact` takes them out of the full-text index.

The index holds grams, the short pieces of a text, so that a search finds any part of a word. At each letter of a word
begins one gram: the next three letters, or fewer at the end of the word. In scripts without spaces, such as Chinese,
it is the next two. So `返现` is one gram, and each single character begins one. A phrase is in a text only if all its
grams are there; whether they stand side by side, the text itself must tell.

A sound stands in the index as `sound.KIND NAME`, which nobody says.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, func, select, text, tuple_

from pipeline.contract.messages import Flag, HeardSound
from pipeline.judge.normalise import normalise
from pipeline.review.cases import reading
from pipeline.review.database import Database, upsert
from pipeline.review.tables.case_tables import COPIES, SAID
from pipeline.review.tables.core import CASES
from pipeline.speech.languages.writing_systems import UNSPACED

LENGTH, UNSPACED_LENGTH = 3, 2
MOST_GRAMS = 16
"""The most grams of a phrase that the index is asked for."""

_CLASS = UNSPACED.pattern.strip("[]")
_RUN = re.compile(rf"[{_CLASS}]+|[^\W_{_CLASS}]+")


class Needles(Struct, frozen=True):
    """The grams of a phrase: whole ones, and the beginnings of others."""

    whole: tuple[str, ...]
    beginnings: tuple[str, ...]


def fold(text: str) -> str:
    """Return `text` as the index holds it: normalised as for the lexicon."""
    return normalise(text).text.strip()


def grams(folded: str) -> frozenset[str]:
    """Return all grams of a folded text."""
    return frozenset(run[at : at + _length(run)] for run in _runs(folded) for at in range(len(run)))


def needles(folded: str) -> Needles:
    """Return the grams that each text with this folded phrase has.

    A part that is shorter than a gram gives the beginning of one, because the text may go on after it.
    """
    whole: dict[str, None] = {}
    beginnings: dict[str, None] = {}
    for run in _runs(folded):
        length = _length(run)
        if len(run) < length:
            beginnings[run] = None
        for at in range(len(run) - length + 1):
            whole[run[at : at + length]] = None
    # Beginnings cost more than whole grams, so they are asked for only if nothing else is there.
    return Needles(tuple(whole)[:MOST_GRAMS], () if whole else tuple(beginnings)[:MOST_GRAMS])


def _runs(folded: str) -> Iterator[str]:
    return (found.group() for found in _RUN.finditer(folded))


def _length(run: str) -> int:
    return UNSPACED_LENGTH if UNSPACED.match(run) else LENGTH


Names = Mapping[str, Collection[str]]
"""The names of each kind of sound, folded, in all languages."""
EDGE = ": "
"""Stands between a kind and the name of a sound."""


def sound_words(sound: HeardSound) -> str:
    """Return a sound as the index holds it."""
    return f"{_kind(sound.kind)} {fold(sound.name)}".rstrip()


def sound_phrases(phrase: str, names: Names) -> Iterator[str]:
    """Yield the phrases that find the sounds whose name, as it is shown, has the folded `phrase`.

    Pages name the kind in the reader's language. So a phrase that is a part of the kind's name also asks for the kind.
    """
    for kind, known in names.items():
        if any(phrase.strip(EDGE) in name for name in known):
            yield _kind(kind)
        for name in known:
            start = name.strip(EDGE)
            if phrase.startswith(start) and (rest := phrase.removeprefix(start).strip(EDGE)):
                yield f"{_kind(kind)} {rest}"


def _kind(kind: str) -> str:
    return f"sound.{kind}"


LONGEST = 20_000
"""The most characters of a case that search finds."""
BATCH = 200


def store_words(connection: Connection, case: str, created_at: float, flags: Iterable[Flag]) -> None:
    """Store the words of a case, in place of those before. `flags` are all its flags."""
    values = _values(case, created_at, flags)
    statement = upsert(connection, SAID).values(values)
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
    said = "\n".join(sound_words(flag.sound) if flag.sound else fold(flag.text) for flag in known)
    terms = dict.fromkeys(fold(hit.term) for flag in known for hit in flag.hits)
    return "\n".join((said, *(term for term in terms if term not in said)))[:LONGEST]


def catch_up(database: Database) -> int:
    """Store the words of cases that have none, newest first, BATCH cases in each transaction. Return their number.

    Such cases are older than the index, or a process of an older version stored them.
    """
    total, last = 0, None
    # From the last case on: a case that is locked now is left out, and must not be tried for ever.
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
    # `catch_up` goes from new to old, so the oldest case comes last.
    oldest = select(func.min(CASES.c.created_at)).where(CASES.c.id.not_in(COPIES)).scalar_subquery()
    indexed = select(func.min(SAID.c.created_at)).scalar_subquery()
    return bool(connection.scalar(select(func.coalesce(oldest < indexed, indexed.is_(None) & oldest.is_not(None)))))


def compact(connection: Connection) -> None:
    """Take the words of deleted cases out of SQLite's full-text index.

    FTS5 only marks them as deleted at first. PostgreSQL's autovacuum does the same for its index.
    """
    if connection.dialect.name == "sqlite":
        # optimize: FTS5 merges its segments and leaves out what is marked.
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
