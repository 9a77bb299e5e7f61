"""The audit log: who saw, heard and decided what. It only grows, and SHA-256 links each line to the line before.

A line's hash covers its fields and the hash of the line before. So `verify` finds each line that was changed, inserted
or removed. The database keeps the newest line's number and hash (`audit_head`), so that a cut end is found, too.
Retention deletes the oldest lines. It first writes a line about that: the anchor of the cut. Without it, `verify` takes
missing oldest lines for a fault.

The database itself refuses to change, replace or put back a line, and to delete a young one. Its owner can switch that
off and forge the whole log. Against that, `audit_watch.py` writes signed heads where the owner of the database cannot
change them.
"""

import re
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, delete, func, insert, select

from pipeline.base.json_reading import read_json
from pipeline.review.database import begins, fields_of
from pipeline.review.tables.core import AUDIT, AUDIT_HEAD

GENESIS = "0" * 64
"""The hash that comes before the first line."""

CUT = "audit.cut"
"""Action of the line that anchors a cut. Its subject is the number of the oldest line that stays."""

KEPT_SECONDS = 15_811_200.0
"""The database refuses to delete a younger line: 183 days."""

SKEW = 1_000
"""The most lines between a line's place by time and its place by number: writers read the clock before they wait."""

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
    before: str | None = None
    """Hash of the line before. None: written by an older version."""


class ChainCut(Struct, frozen=True):
    """The detail of the line that anchors a cut."""

    first: int
    """Number of the oldest line that stayed."""
    hash: str
    """Its hash."""
    before: str | None
    """Hash of the line before it, the newest that was deleted. None: an older version had deleted it."""
    lines: int
    """Number of deleted lines."""


class ChainReport(Struct, frozen=True):
    """The result of `verify`: which lines are correct.

    `broken` is the number of the first wrong line, and `reason` tells why it is wrong.
    """

    first: int = 1
    """Number of the oldest line in the log."""
    since: float = 0.0
    """Its time, in UTC seconds."""
    anchor: int | None = None
    """Number of the line that anchors the cut before `first`. None: the log is complete."""
    last: int = 0
    """Number of the last correct line."""
    head: str = GENESIS
    """Its hash."""
    broken: int | None = None
    reason: str = ""
    unchecked: int = 0
    """Number of newer lines for a further call of `verify`, which stops after `most` lines."""

    @property
    def lines(self) -> int:
        """Return the number of correct lines."""
        return self.last - self.first + 1


def append(
    connection: Connection, at: float, actor: str, action: str, subject: str, detail: dict[str, Any] | None = None
) -> AuditLine:
    """Add a line. Call it last in a transaction, because other writers wait until that transaction ends."""
    lock(connection)
    # The lock comes first: else two writers could read the same head.
    head = connection.execute(select(AUDIT_HEAD.c.seq, AUDIT_HEAD.c.hash)).one()
    line = following(head.seq, head.hash, at, actor, action, subject, detail)
    connection.execute(insert(AUDIT).values(msgspec.structs.asdict(line)))
    return line


def following(
    seq: int, before: str, at: float, actor: str, action: str, subject: str, detail: dict[str, Any] | None = None
) -> AuditLine:
    """Return the line that follows the line `seq` with the hash `before`."""
    text = msgspec.json.encode(detail or {}, order="deterministic").decode()
    fields = (seq + 1, float(at), actor, action, subject, text)  # a database returns 1.0 for 1; their hashes differ
    return AuditLine(*fields, _hash(before, *fields), before)


def lock(connection: Connection) -> None:
    """Make other writers of lines wait until this transaction ends. On SQLite each transaction does so anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(LOCK)))


def all_lines(connection: Connection, after: int = 0, page: int = 1_000) -> Iterator[AuditLine]:
    """Yield all lines with a number above `after`, in order. Read `page` lines at a time."""
    while rows := connection.execute(select(AUDIT).where(AUDIT.c.seq > after).order_by(AUDIT.c.seq).limit(page)).all():
        for row in rows:
            yield AuditLine(**fields_of(row))
        after = rows[-1].seq


SHORT_ID = re.compile("[0-9a-f]{8}")
"""The first digits of an id, as the pages show it."""


def newest_lines(
    connection: Connection,
    actor: str = "",
    subject: str = "",
    before: int = 0,
    limit: int = 100,
    *,
    action: str = "",
    since: float | None = None,
    until: float | None = None,
) -> list[AuditLine]:
    """Return lines of an actor, about a subject, of an action and of a time (UTC seconds), newest first.

    `subject` is an id, or its first eight digits. An empty string and None do not filter. For the next page, give the
    `seq` of the last line as `before`.
    """
    query = select(AUDIT).order_by(AUDIT.c.seq.desc()).limit(limit)
    if SHORT_ID.fullmatch(subject):
        query = query.where(begins(AUDIT.c.subject, subject))
        subject = ""
    for column, wanted in ((AUDIT.c.actor, actor), (AUDIT.c.subject, subject), (AUDIT.c.action, action)):
        query = query.where(column == wanted) if wanted else query
    query = query.where(AUDIT.c.seq < before) if before else query
    if since is not None:
        # Lines are read in the order of `seq`. With a limit of `seq`, too, the database does not read all of them.
        oldest = select(AUDIT.c.seq).where(AUDIT.c.at >= since).order_by(AUDIT.c.at).limit(1)
        query = query.where(AUDIT.c.at >= since, AUDIT.c.seq >= (connection.scalar(oldest) or 0) - SKEW)
    if until is not None:
        last = select(AUDIT.c.seq).where(AUDIT.c.at < until).order_by(AUDIT.c.at.desc()).limit(1)
        query = query.where(AUDIT.c.at < until, AUDIT.c.seq <= (connection.scalar(last) or 0) + SKEW)
    return [AuditLine(**fields_of(row)) for row in connection.execute(query)]


def actions(connection: Connection) -> list[str]:
    """Return the actions that the log has. It jumps in the index from one to the next, so a long log costs no more."""
    # Loose index scan by recursion: PostgreSQL has none for DISTINCT.
    found = select(func.min(AUDIT.c.action).label("action")).cte("actions", recursive=True)
    after = select(func.min(AUDIT.c.action)).where(AUDIT.c.action > found.c.action).scalar_subquery()
    found = found.union_all(select(after).where(found.c.action.is_not(None)))
    return list(connection.scalars(select(found.c.action).where(found.c.action.is_not(None))))


def cut(connection: Connection, first: int, at: float, actor: str) -> int:
    """Delete the lines before the line `first`, and write a line that anchors the cut. Returns their number."""
    old = AUDIT.c.seq < first
    count = connection.execute(select(func.count()).select_from(AUDIT).where(old)).scalar_one()
    if count:
        kept = connection.execute(select(AUDIT).where(AUDIT.c.seq == first)).one()
        # A line of 0.1.0 has no `before`. The line that is deleted now has the hash.
        before = kept.before or connection.scalar(select(AUDIT.c.hash).where(AUDIT.c.seq == first - 1))
        append(connection, at, actor, CUT, str(first), msgspec.to_builtins(ChainCut(first, kept.hash, before, count)))
        connection.execute(delete(AUDIT).where(old))
    return count


def verify_chain(connection: Connection, known: ChainReport | None = None, most: int | None = None) -> ChainReport:
    """Compute all hashes again. With `known`, an earlier report without a fault, compute only newer ones.

    With `most`, stop after as many lines: the report then has `unchecked` lines, and is the next `known`.
    """
    # The head first: lines that others add meanwhile come after it, and are left for the next call.
    heads = connection.execute(select(AUDIT_HEAD.c.seq, AUDIT_HEAD.c.hash)).all()
    if len(heads) != 1:
        newest = connection.scalar(select(func.max(AUDIT.c.seq))) or 0
        return ChainReport(broken=newest + 1, reason=f"the log has {len(heads)} heads, and not one")
    [end] = heads
    begin = _begin(connection, end.seq)
    # Retention may have moved the first line since. Then all lines are checked again.
    if begin.broken is None and known and (known.first, known.broken) == (begin.first, None):
        begin = _resumed(connection, msgspec.structs.replace(known, unchecked=0))
    report = begin if begin.broken is not None else _followed(connection, begin, end.seq, most)
    if report.broken is not None or report.unchecked or (report.last, report.head) == (end.seq, end.hash):
        return report
    missing = f"lines {report.last + 1} to {end.seq} are missing" if report.last < end.seq else "the head was changed"
    return msgspec.structs.replace(report, broken=report.last + 1, reason=missing)


def _begin(connection: Connection, end: int) -> ChainReport:
    """Return where the chain begins: before line 1, or before the oldest line if a cut before it is anchored."""
    oldest = next(all_lines(connection, page=1), None)
    if oldest is None or oldest.seq == 1:
        return ChainReport(1, oldest.at if oldest else 0.0)
    found = ChainReport(oldest.seq, oldest.at, last=oldest.seq - 1)
    cuts = select(AUDIT.c.seq, AUDIT.c.detail).where(AUDIT.c.subject == str(oldest.seq), AUDIT.c.action == CUT)
    row = connection.execute(cuts.where(AUDIT.c.seq <= end).order_by(AUDIT.c.seq.desc()).limit(1)).one_or_none()
    if row is None:
        reason = f"the lines before line {oldest.seq} were deleted without an anchor"
        return msgspec.structs.replace(found, broken=oldest.seq, reason=reason)
    made = _cut_of(row.detail)
    known = made and (made.before is None or (oldest.before in {None, made.before} and intact(oldest, made.before)))
    if made is None or made.hash != oldest.hash or not known:
        reason = f"line {oldest.seq} is not the line that the anchor in line {row.seq} names"
        return msgspec.structs.replace(found, broken=oldest.seq, reason=reason)
    return msgspec.structs.replace(found, anchor=row.seq, last=oldest.seq, head=oldest.hash)


def _cut_of(detail: str) -> ChainCut | None:
    try:
        return read_json(detail, ChainCut)
    except msgspec.DecodeError:  # somebody wrote the line who knows no cut
        return None


def _resumed(connection: Connection, known: ChainReport) -> ChainReport:
    """Return `known` if its last line is still there."""
    if known.last == 0 or connection.scalar(select(AUDIT.c.hash).where(AUDIT.c.seq == known.last)) == known.head:
        return known
    return msgspec.structs.replace(known, broken=known.last, reason=f"line {known.last} was changed")


def _followed(connection: Connection, begin: ChainReport, end: int, most: int | None) -> ChainReport:
    """Check the lines after `begin.last`, up to the line `end`, or `most` lines."""
    last, head = begin.last, begin.head
    for number, line in enumerate(all_lines(connection, last)):
        if line.seq > end or number == most:
            break
        reason = ""
        if line.seq != last + 1:
            reason = f"line {last + 1} is missing"
        elif not intact(line, head) or line.before not in {None, head}:
            reason = f"line {line.seq} was changed"
        if reason:
            return msgspec.structs.replace(begin, last=last, head=head, broken=line.seq, reason=reason)
        last, head = line.seq, line.hash
    stopped = most is not None and last - begin.last == most
    return msgspec.structs.replace(begin, last=last, head=head, unchecked=end - last if stopped else 0)


def holds(connection: Connection, head: str) -> bool:
    """Tell whether a line has the hash `head`."""
    return connection.execute(select(AUDIT.c.seq).where(AUDIT.c.hash == head)).first() is not None


def has(connection: Connection, line: AuditLine) -> bool:
    """Tell whether the log has this line, with all its fields."""
    row = connection.execute(select(AUDIT).where(AUDIT.c.seq == line.seq)).one_or_none()
    # Not `before`, which a line of 0.1.0 lacks.
    return row is not None and (*_covered(AuditLine(**fields_of(row))), row.hash) == (*_covered(line), line.hash)


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
    before = row.before or connection.scalar(select(AUDIT.c.hash).where(AUDIT.c.seq == row.seq - 1))
    return AuditLine(**fields_of(row)), before or (GENESIS if row.seq == 1 else "")


def _covered(line: AuditLine) -> tuple[Any, ...]:
    return line.seq, line.at, line.actor, line.action, line.subject, line.detail


def _hash(before: str, *fields: Any) -> str:
    # JSON keeps the fields apart: moving a character from one to the next changes the text.
    return sha256(msgspec.json.encode([before, *fields])).hexdigest()


def pseudonym(speaker: str) -> str:
    """Return the pseudonym of a speaker: 16 hexadecimal digits, always the same for the same id.

    The log outlives an erasure, so it must not name the erased speaker. With the id you can find the pseudonym in the
    log. The pseudonym does not reveal the id.
    """
    return sha256(f"speaker\x1f{speaker}".encode()).hexdigest()[:16]
