"""Who saw, heard and decided what: a log that is only added to, each line bound to the one before by SHA-256.

A line's hash covers its fields and the hash before it, so a line that is changed, put in or taken out is found, unless
all later ones are forged, too. Against that, and against a tail cut off, note the head (`voxwarden audit verify` prints
it) where the database's owner cannot reach it. The database itself refuses to change a line, or to delete a young one.
"""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, func, insert, select

from pipeline.review.tables.core import AUDIT

GENESIS = "0" * 64
"""What the first line of all is bound to."""

LOCK = 0x766F7861
"""Key of the PostgreSQL advisory lock under which a line is added ("voxa")."""


class AuditLine(Struct, frozen=True):
    seq: int
    """1, 2, 3, ..."""
    at: float
    """UTC seconds."""
    actor: str
    """Account, or what else acted (cli, job)."""
    action: str
    """E.g. case.view, case.play, case.decide, login.refused."""
    subject: str
    """Id of the case, name of the account, ..."""
    detail: str
    """JSON; never what was said."""
    hash: str
    """Hex."""


class ChainReport(Struct, frozen=True):
    """What `verify` found. `broken` is the first line that does not fit, and why."""

    lines: int
    head: str
    broken: int | None = None
    reason: str = ""


def append(
    connection: Connection, at: float, actor: str, action: str, subject: str, detail: dict[str, Any] | None = None
) -> AuditLine:
    """Add a line, as the last act of a transaction: others that would add one wait for its end."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(LOCK)))
    last = connection.execute(select(AUDIT.c.seq, AUDIT.c.hash).order_by(AUDIT.c.seq.desc()).limit(1)).one_or_none()
    seq, before = (last.seq + 1, last.hash) if last else (1, GENESIS)
    text = msgspec.json.encode(detail or {}, order="deterministic").decode()
    at = float(at)  # as it is read back: 1 and 1.0 have different hashes
    line = AuditLine(seq, at, actor, action, subject, text, _hash(before, seq, at, actor, action, subject, text))
    connection.execute(insert(AUDIT).values(msgspec.structs.asdict(line)))
    return line


def lines(connection: Connection, after: int = 0, page: int = 1_000) -> Iterator[AuditLine]:
    """All lines after the number `after`, in order."""
    while rows := connection.execute(select(AUDIT).where(AUDIT.c.seq > after).order_by(AUDIT.c.seq).limit(page)).all():
        for row in rows:
            yield AuditLine(**{str(name): value for name, value in row._mapping.items()})
        after = rows[-1].seq


def newest(
    connection: Connection, actor: str = "", subject: str = "", before: int = 0, limit: int = 100
) -> list[AuditLine]:
    """The newest lines first, of an actor or about a subject; the next page is `before` the `seq` of the last one."""
    query = select(AUDIT).order_by(AUDIT.c.seq.desc()).limit(limit)
    for column, wanted in ((AUDIT.c.actor, actor), (AUDIT.c.subject, subject)):
        query = query.where(column == wanted) if wanted else query
    query = query.where(AUDIT.c.seq < before) if before else query
    return [
        AuditLine(**{str(name): value for name, value in row._mapping.items()}) for row in connection.execute(query)
    ]


def verify(connection: Connection) -> ChainReport:
    """Compute the chain anew. What was deleted for age is missing at the front, which is no fault."""
    count, head, expected = 0, GENESIS, None
    for line in lines(connection):
        if expected is not None and line.seq != expected:
            return ChainReport(count, head, line.seq, f"line {expected} is missing")
        if expected is None and line.seq > 1:
            head = line.hash  # nothing to check the first of those that are kept against
        elif line.hash != _hash(head, *_covered(line)):
            return ChainReport(count, head, line.seq, f"line {line.seq} was changed")
        count, head, expected = count + 1, line.hash, line.seq + 1
    return ChainReport(count, head)


def holds(connection: Connection, head: str) -> bool:
    """Whether some line has that hash."""
    return connection.execute(select(AUDIT.c.seq).where(AUDIT.c.hash == head)).first() is not None


def _covered(line: AuditLine) -> tuple[Any, ...]:
    return line.seq, line.at, line.actor, line.action, line.subject, line.detail


def _hash(before: str, *fields: Any) -> str:
    return sha256(msgspec.json.encode([before, *fields])).hexdigest()
