"""Notes on a case: a thread for the people who work on it. `@name` tells a person to look.

Notes go when their case goes. The audit log records that somebody wrote, but not the text. Each function runs in a
transaction that the caller opened. Times are UTC seconds.
"""

import re
import uuid
from collections.abc import Collection

from msgspec import Struct
from sqlalchemy import Connection, func, insert, select, update

from pipeline.base.errors import CaseError
from pipeline.review import audit_log
from pipeline.review.cases import eligibility, reading
from pipeline.review.database import fields_of
from pipeline.review.tables.core import ACCOUNTS, CASES
from pipeline.review.tables.people_tables import MENTIONS, NOTES, UNREAD

LONGEST = 2_000
"""The most characters of a note."""
MOST = 100
"""The most notes on a case."""
MOST_NAMED = 10
"""The most people that a note names."""

# An @ within a word belongs to an e-mail address.
AT = re.compile(r"(?<![\w@])@")
"""An @ at the beginning of a word."""


class Note(Struct, frozen=True):
    """A note. `at` is UTC seconds."""

    id: str
    case_id: str
    author: str
    text: str
    at: float


class Mention(Struct, frozen=True):
    """A note that names a person, with its text, and the label and the status of its case."""

    note: str
    case_id: str
    author: str
    text: str
    at: float
    label: str
    status: str


def add_note(connection: Connection, case: str, author: str, text: str, at: float) -> Note:
    """Write a note and tell the people that it names.

    Raises Missing if there is no such case. Raises CaseError if the text is empty or too long or names too many people,
    or if the case has too many notes.
    """
    found = reading.case(connection, case, lock=True)
    note = Note(str(uuid.uuid4()), case, author, text.strip(), at)
    named = mentioned(connection, note.text) - {author}
    # A mention shows the case's label and state, and a party may not see the case.
    named = {name for name in named if not eligibility.is_party(connection, found, name)}
    # The case is locked, so two notes at once cannot both be the last one.
    _check(connection, note, named)
    values = {"id": note.id, "case_id": case, "author": author, "text": note.text, "at": at}
    connection.execute(insert(NOTES).values(values))
    if named:
        rows = [{"note": note.id, "account": name, "at": at, "read": False} for name in sorted(named)]
        connection.execute(insert(MENTIONS), rows)
    audit_log.append(connection, at, author, "case.note", case, {"note": note.id, "mentions": sorted(named)})
    return note


def notes_of(connection: Connection, case: str) -> list[Note]:
    """Return the notes on a case, oldest first."""
    query = select(NOTES).where(NOTES.c.case_id == case).order_by(NOTES.c.at, NOTES.c.id).limit(MOST)
    return [Note(row.id, row.case_id, row.author, row.text, row.at) for row in connection.execute(query)]


def mentioned(connection: Connection, text: str) -> set[str]:
    """Return the accounts that a text names. An unknown or disabled account is no mention.

    The longest name counts. A word that goes on after the name is another name, but Chinese has no space there.
    """
    names = connection.scalars(select(ACCOUNTS.c.name).where(ACCOUNTS.c.disabled.is_(False))).all()
    longest_first = sorted(names, key=len, reverse=True) if "@" in text else []
    found = (next((name for name in longest_first if _names(text[at.end() :], name)), None) for at in AT.finditer(text))
    return {name for name in found if name}


def unread(connection: Connection, account: str, limit: int = 100) -> list[Mention]:
    """Return the mentions that a person has not read, newest first."""
    query = (
        select(
            MENTIONS.c.note, NOTES.c.case_id, NOTES.c.author, NOTES.c.text, NOTES.c.at, CASES.c.label, CASES.c.status
        )
        .join(NOTES, NOTES.c.id == MENTIONS.c.note)
        .join(CASES, CASES.c.id == NOTES.c.case_id)
        .where(MENTIONS.c.account == account, UNREAD)
        .order_by(MENTIONS.c.at.desc())
        .limit(limit)
    )
    return [Mention(**fields_of(row)) for row in connection.execute(query)]


def mark_read(connection: Connection, account: str, case: str) -> None:
    """Record that a person has read the notes on a case."""
    theirs = select(NOTES.c.id).where(NOTES.c.case_id == case)
    mine = update(MENTIONS).where(MENTIONS.c.account == account, UNREAD, MENTIONS.c.note.in_(theirs))
    connection.execute(mine.values(read=True))


def _names(text: str, name: str) -> bool:
    # After a name in Chinese, the sentence may go on without a space.
    ends = not re.match(r"\w", text[len(name) :]) or not name[-1].isascii()
    return text.startswith(name) and ends


def _check(connection: Connection, note: Note, named: Collection[str]) -> None:
    if not 1 <= len(note.text) <= LONGEST:
        raise CaseError(
            f"The note has {len(note.text)} characters", f"Write 1 to {LONGEST}.", text="note_length", most=LONGEST
        )
    if len(named) > MOST_NAMED:
        raise CaseError(
            f"The note names {len(named)} people", f"Name at most {MOST_NAMED}.", text="note_names", most=MOST_NAMED
        )
    query = select(func.count()).select_from(NOTES).where(NOTES.c.case_id == note.case_id)
    if connection.execute(query).scalar_one() >= MOST:
        raise CaseError(
            f"Case {note.case_id} has {MOST} notes", "Write no more; decide the case or pass it on.", text="notes_full"
        )
