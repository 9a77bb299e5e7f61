"""The audit log: who saw, heard and decided what. It only grows, and SHA-256 links each line to the line before.

A line's hash covers its fields and the hash of the line before. So `verify` finds each line that was changed, inserted
or removed. It does not find two attacks: all later lines are forged, too; or the newest lines are removed. Against
both, store the head (`voxwarden audit verify` prints it) where the database's owner cannot reach it. The database
itself refuses to change a line, or to delete a young one.
"""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, func, insert, select

from pipeline.review.tables.core import AUDIT

GENESIS = "0" * 64
"""The hash that comes before the first line."""

LOCK = 0x766F7861
"""Key ("voxa") of the PostgreSQL advisory lock that a writer of a line takes."""


class AuditLine(Struct, frozen=True):
    """One line of the audit log."""

    seq: int
    """1, 2, 3, ..."""
    at: float
    """UTC seconds."""
    actor: str
    """Name of the account that acted, or of the part of the program (cli, job)."""
    action: str
    """E.g. case.view, case.play, case.decide, login.refused."""
    subject: str
    """Id of the case, name of the account, ..."""
    detail: str
    """JSON. It never contains a transcript."""
    hash: str
    """SHA-256 in hexadecimal digits."""


class ChainReport(Struct, frozen=True):
    """The result of `verify`.

    `lines` counts the correct lines, and `head` is the hash of the last of them. `broken` is the number of the first
    wrong line, `reason` tells why it is wrong.
    """

    lines: int
    head: str
    broken: int | None = None
    reason: str = ""


def append(
    connection: Connection, at: float, actor: str, action: str, subject: str, detail: dict[str, Any] | None = None
) -> AuditLine:
    """Add a line. Call it last in a transaction, because other writers wait until that transaction ends."""
    lock(connection)
    last = connection.execute(select(AUDIT.c.seq, AUDIT.c.hash).order_by(AUDIT.c.seq.desc()).limit(1)).one_or_none()
    seq, before = (last.seq + 1, last.hash) if last else (1, GENESIS)
    text = msgspec.json.encode(detail or {}, order="deterministic").decode()
    at = float(at)  # the database returns a float, and 1 and 1.0 have different hashes
    line = AuditLine(seq, at, actor, action, subject, text, _hash(before, seq, at, actor, action, subject, text))
    connection.execute(insert(AUDIT).values(msgspec.structs.asdict(line)))
    return line


def lock(connection: Connection) -> None:
    """Make other writers of lines wait until this transaction ends. On SQLite each transaction does so anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(LOCK)))


def lines(connection: Connection, after: int = 0, page: int = 1_000) -> Iterator[AuditLine]:
    """Yield all lines with a number above `after`, in order. Read `page` lines at a time."""
    while rows := connection.execute(select(AUDIT).where(AUDIT.c.seq > after).order_by(AUDIT.c.seq).limit(page)).all():
        for row in rows:
            yield AuditLine(**{str(name): value for name, value in row._mapping.items()})
        after = rows[-1].seq


def newest(
    connection: Connection, actor: str = "", subject: str = "", before: int = 0, limit: int = 100
) -> list[AuditLine]:
    """Return lines of an actor or about a subject, newest first. An empty string does not filter.

    For the next page, give the `seq` of the last line as `before`.
    """
    query = select(AUDIT).order_by(AUDIT.c.seq.desc()).limit(limit)
    for column, wanted in ((AUDIT.c.actor, actor), (AUDIT.c.subject, subject)):
        query = query.where(column == wanted) if wanted else query
    query = query.where(AUDIT.c.seq < before) if before else query
    return [
        AuditLine(**{str(name): value for name, value in row._mapping.items()}) for row in connection.execute(query)
    ]


def verify(connection: Connection) -> ChainReport:
    """Compute all hashes again. Retention may have deleted the oldest lines; that is no fault."""
    count, head, expected = 0, GENESIS, None
    for line in lines(connection):
        if expected is not None and line.seq != expected:
            return ChainReport(count, head, line.seq, f"line {expected} is missing")
        if expected is None and line.seq > 1:
            head = line.hash  # the line before was deleted, so this hash cannot be checked
        elif line.hash != _hash(head, *_covered(line)):
            return ChainReport(count, head, line.seq, f"line {line.seq} was changed")
        count, head, expected = count + 1, line.hash, line.seq + 1
    return ChainReport(count, head)


def holds(connection: Connection, head: str) -> bool:
    """Tell whether a line has the hash `head`."""
    return connection.execute(select(AUDIT.c.seq).where(AUDIT.c.hash == head)).first() is not None


def intact(line: AuditLine, before: str) -> bool:
    """Tell whether the line has the hash that its fields and the hash of the line `before` give."""
    return line.hash == _hash(before, *_covered(line))


def about(connection: Connection, action: str, subject: str) -> tuple[AuditLine, str] | None:
    """Return the newest line of an action about a subject, and the hash of the line before it; None without one.

    The hash is empty if retention has deleted that line.
    """
    wanted = (AUDIT.c.action == action, AUDIT.c.subject == subject)
    row = connection.execute(select(AUDIT).where(*wanted).order_by(AUDIT.c.seq.desc()).limit(1)).one_or_none()
    if row is None:
        return None
    before = connection.scalar(select(AUDIT.c.hash).where(AUDIT.c.seq == row.seq - 1))
    return AuditLine(**{str(name): value for name, value in row._mapping.items()}), before or (
        GENESIS if row.seq == 1 else ""
    )


def _covered(line: AuditLine) -> tuple[Any, ...]:
    return line.seq, line.at, line.actor, line.action, line.subject, line.detail


def _hash(before: str, *fields: Any) -> str:
    return sha256(msgspec.json.encode([before, *fields])).hexdigest()
