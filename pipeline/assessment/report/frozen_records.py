"""The basis of a final report: the digests of its records, and its tallies and ledger of room hours.

The report has the SHA-256 of each, and the audit log has that of the report. So each record of the window that was
changed later is found, whatever was deleted. A record may be missing or different only for a reason that the store
shows: the audit log tells that its case was deleted or reopened, or speech that came later joined its case.
"""

import math
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from itertools import chain
from typing import Any, Literal, NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from sqlalchemy import Column, Connection, MetaData, Select, Table, func, insert, or_, select, union_all
from sqlalchemy.schema import CreateTable, DropTable

from pipeline.assessment.report import data_files, stored_evidence
from pipeline.assessment.report.content import AssessmentReport
from pipeline.assessment.report.data_files import LEDGER_FILE, TABLES, TALLY_FILE, Packed
from pipeline.assessment.report.stored_evidence import RECORD, SOURCES, Collected, EvidenceSource, Records, hashed
from pipeline.review.accounts.presence import QUARTER
from pipeline.review.database import plain_rows
from pipeline.review.quality.audits import within
from pipeline.review.quality.figure import Window, hours, quarters
from pipeline.review.tables.assessment_tables import ACTIONS, FROZEN_RECORDS, TALLIES
from pipeline.review.tables.case_tables import REPORTS
from pipeline.review.tables.core import AUDIT, CASES, FLAGS

CHECKED = tuple(source for source in SOURCES if source.of_case is not None or source.kind == "register")
"""Sources whose records are compared one by one. People go on with drills, hazards and holds after the report."""
GONE = ("case.expire", "case.erase")
SILENCED = ("audio.expire", "audio.erase")
REOPENED = ("case.reopen", "case.undo")
CORRECTED = ("register.change", "register.close")
GROWING = ("segmented", "monitored", "confidence", "identity", "marked", "listened", "delay", "speakers", "rooms")
"""Measures of the tallies that late speech only adds to. Others move when an utterance changes its state."""
NAMED = 5
"""The most changed records of a kind that are named."""

Reason = Literal["deleted", "outside", "joined", "reopened", "confirmed", "corrected"]
"""`outside`: cases that are not of the window were deleted, of which some figures count the older ones."""
Hashes = NDArray[np.uint64]
Flags = NDArray[np.bool_]


class Frozen(NamedTuple):
    """The basis of a report, by name: a kind of record, or a file of a bundle. Each is compressed with zlib."""

    content: Mapping[str, bytes]

    def records(self, kind: str) -> Records:
        """Return the records of a kind."""
        return np.frombuffer(self.file(kind), RECORD)

    def file(self, name: str) -> bytes:
        """Return the content of this name; nothing if it is missing or damaged."""
        try:
            return zlib.decompress(self.content[name])
        except (KeyError, zlib.error):
            return b""

    def tables(self) -> dict[str, bytes]:
        """Return the tables of a bundle as CSV, by file."""
        return {name: self.file(name) for name in TABLES}

    def differing(self, report: AssessmentReport) -> list[str]:
        """Return the names of missing content, and of content with another SHA-256 than in the report."""
        told = {each.kind: each.sha256 for item in report.items for each in item.evidence}
        told = {source.kind: told[source.kind] for source in SOURCES if not source.chained and source.kind in told}
        told |= {TALLY_FILE: report.tallies, LEDGER_FILE: report.ledger}
        return [name for name, digest in told.items() if sha256(self.file(name)).hexdigest() != digest]


class Compared(Struct, frozen=True, kw_only=True):
    """How the records of the window differ from the frozen ones."""

    same: int
    changed: Mapping[str, tuple[str, ...]]
    """By kind, the keys of records that were changed for no reason that the store shows: the first NAMED."""
    missing: Mapping[str, int]
    """Numbers of records by kind that are gone for no reason that the store shows."""
    explained: Mapping[Reason, int]
    """Numbers of records that are gone or different for a reason."""
    later: Mapping[str, int]
    """Numbers of records by kind that came after the report."""


class LateTables(Struct, frozen=True, kw_only=True):
    """How the tallies and the ledger of the window differ from the frozen ones."""

    utterances: int = 0
    """Utterances that came later."""
    fewer: tuple[str, ...] = ()
    """Measures of which some hour has less than before: late speech never does that."""
    changed: tuple[str, ...] = ()
    """The files that the store would now give in another form."""


def packed(found: Iterable[Collected], tables: Mapping[str, Packed]) -> Frozen:
    """Return the basis of a report, from the results of `stored_evidence.collect` and `data_files.packed`."""
    # Level 0: hashes do not shrink.
    content = {each.source.kind: zlib.compress(each.records, 0) for each in found if not each.source.chained}
    return Frozen(content | {name: table.content for name, table in tables.items()})


def store(connection: Connection, identity: str, frozen: Frozen) -> None:
    """Store the basis of the final report of an assessment."""
    rows = [{"assessment": identity, "name": name, "content": content} for name, content in frozen.content.items()]
    connection.execute(insert(FROZEN_RECORDS), rows)


def read(connection: Connection, identity: str) -> Frozen:
    """Return the basis of the final report of an assessment."""
    rows = connection.execute(select(FROZEN_RECORDS).where(FROZEN_RECORDS.c.assessment == identity))
    return Frozen({row.name: row.content for row in rows})


class _Matched(NamedTuple):
    """Records that are in both, with the same keys in the same order, and the others."""

    before: Records
    after: Records
    lost: Records
    added: Records

    @property
    def moved(self) -> Flags:
        return np.asarray(self.before["case"] != self.after["case"])

    @property
    def other(self) -> Flags:
        return np.asarray(self.before["digest"] != self.after["digest"])


class _Causes(NamedTuple):
    """Hashes of the keys, mostly of cases, for whose difference the store shows a reason."""

    deleted: Hashes
    silenced: Hashes
    """Cases whose clips were deleted."""
    joined: Hashes
    """Cases that speech or reports joined after the window."""
    merged: Hashes
    """Cases that became a part of a joined one."""
    reopened: Hashes
    expired: Hashes
    """Quarter hours that are older than the audit log: retention deletes both together."""
    corrected: Hashes
    """Entries of the register."""
    confirmed: Hashes
    """Decisions whose action the app confirmed again, after the window."""


def compare(connection: Connection, report: AssessmentReport, frozen: Frozen) -> Compared:
    """Compare the records of the window with the frozen ones."""
    found = {
        source.kind: _matched(frozen.records(source.kind), stored_evidence.records(connection, source, report.window))
        for source in CHECKED
    }
    causes = _causes(connection, report.window, found)
    explained: Counter[Reason] = Counter()
    changed: dict[str, tuple[str, ...]] = {}
    missing: dict[str, int] = {}
    for source in CHECKED:
        match = found[source.kind]
        lost, different = _why_lost(source.kind, match.lost, causes), _why_different(source.kind, match, causes)
        for reasons in (lost, different):
            explained.update({reason: int(held.sum()) for reason, held in reasons.items() if held.any()})
        wrong = (match.moved | match.other) & ~_any(different, len(match.after))
        if wrong.any():
            changed[source.kind] = _names(connection, source, report.window, match.after["key"][wrong])
        if n := int((~_any(lost, len(match.lost))).sum()):
            missing[source.kind] = n
    outside = ~np.isin(causes.deleted, frozen.records("cases")["key"])
    explained.update({"outside": int(outside.sum())} if outside.any() else {})
    return Compared(
        same=sum(int((~match.moved & ~match.other).sum()) for match in found.values()),
        changed=changed,
        missing=missing,
        explained=explained,
        later={kind: len(match.added) for kind, match in found.items() if match.added.size},
    )


def _matched(old: Records, new: Records) -> _Matched:
    _, at_old, at_new = np.intersect1d(old["key"], new["key"], return_indices=True)
    return _Matched(old[at_old], new[at_new], np.delete(old, at_old), np.delete(new, at_new))


def _why_lost(kind: str, lost: Records, causes: _Causes) -> dict[Reason, Flags]:
    """Tell, for each reason, which of the lost records it explains."""
    deleted, joined = np.isin(lost["case"], causes.deleted), np.isin(lost["case"], causes.merged)
    if kind == "clips":  # a clip goes before its case, and a case that grows gets another one
        deleted |= np.isin(lost["case"], causes.silenced)
        joined |= np.isin(lost["case"], causes.joined) & ~deleted
    if kind == "duty":
        deleted |= np.isin(lost["case"], causes.expired)
    # A later confirmation replaces a failure.
    again = np.isin(lost["key"], causes.confirmed) if kind == "actions" else np.zeros(len(lost), bool)
    return {"deleted": deleted, "joined": joined & ~deleted, "confirmed": again & ~deleted & ~joined}


def _why_different(kind: str, match: _Matched, causes: _Causes) -> dict[Reason, Flags]:
    """Tell, for each reason, which of the different records it explains."""
    different = match.moved | match.other
    joined = np.isin(match.after["case"], causes.joined)
    # Speech that joins a case changes the case and its clip. It may also bring all records of another case.
    grown = joined & ~match.moved & (kind in {"cases", "clips"})
    brought = joined & ~match.other & np.isin(match.before["case"], causes.merged)
    return {
        "joined": different & (grown | brought),
        "reopened": different & np.isin(match.after["case"], causes.reopened) & ~match.moved & (kind == "flags"),
        "corrected": different & np.isin(match.after["key"], causes.corrected) & (kind == "register"),
    }


def _any(reasons: Mapping[Reason, Flags], n: int) -> Flags:
    found: Flags = np.any([np.zeros(n, bool), *reasons.values()], axis=0)
    return found


def _causes(connection: Connection, window: Window, found: Mapping[str, _Matched]) -> _Causes:
    joined, flags, cases = _joined(connection, window), found["flags"], found["cases"]
    moved = flags.moved & np.isin(flags.after["case"], joined)
    deleted = _subjects(connection, window, GONE)
    if _cut(connection, window):  # the lines about deletions may be gone, too
        deleted = np.union1d(deleted, cases.lost["key"])
    again = select(ACTIONS.c.decision).where(ACTIONS.c.received_at >= window.until)
    return _Causes(
        deleted=deleted,
        silenced=_subjects(connection, window, SILENCED),
        joined=joined,
        merged=np.intersect1d(flags.before["case"][moved], cases.lost["key"]),
        reopened=_subjects(connection, window, REOPENED),
        expired=_expired(connection, window),
        corrected=_subjects(connection, window, CORRECTED),
        confirmed=_hashes(connection, again),
    )


def _subjects(connection: Connection, window: Window, actions: Sequence[str]) -> Hashes:
    """Return the subjects of the lines of the audit log with these actions since the end of the window."""
    return _hashes(connection, select(AUDIT.c.subject).where(AUDIT.c.action.in_(actions), AUDIT.c.at >= window.until))


def _cut(connection: Connection, window: Window) -> bool:
    """Tell whether the audit log has lost lines since the end of the window."""
    return _kept_since(connection) >= window.until


def _expired(connection: Connection, window: Window) -> Hashes:
    """Return the quarter hours of the window that began before the first line of an audit log that has lost lines."""
    since = _kept_since(connection)
    gone = (quarter for quarter in quarters(window) if quarter * QUARTER < since)
    return np.unique(np.fromiter(map(hashed, gone), np.uint64))


def _kept_since(connection: Connection) -> float:
    """Return the time of the first line of an audit log that lost lines; -inf if it is whole, inf if it is empty."""
    oldest = connection.execute(select(AUDIT.c.seq, AUDIT.c.at).order_by(AUDIT.c.seq).limit(1)).one_or_none()
    if oldest is None:
        return math.inf
    return oldest.at if oldest.seq > 1 else -math.inf


def _joined(connection: Connection, window: Window) -> Hashes:
    """Return the cases that have speech or reports from before the end of the window, and from after it."""
    flags = select(FLAGS.c.case_id).where(FLAGS.c.stored_at >= window.until, ~FLAGS.c.linked)
    reports = select(REPORTS.c.case_id).where(REPORTS.c.created_at >= window.until)
    # The case itself may be younger: an escalated case takes up older ones.
    early = select(FLAGS.c.case_id).where(*within(FLAGS.c.stored_at, window))
    old = or_(CASES.c.created_at < window.until, CASES.c.id.in_(early))
    return _hashes(connection, select(CASES.c.id).where(old, or_(CASES.c.id.in_(flags), CASES.c.id.in_(reports))))


def _hashes(connection: Connection, query: Select[Any]) -> Hashes:
    found = (hashed(*row) for rows in plain_rows(connection, query) for row in rows)
    return np.unique(np.fromiter(found, np.uint64))


def _names(connection: Connection, source: EvidenceSource, window: Window, keys: Hashes) -> tuple[str, ...]:
    wanted = set(keys.tolist())
    rows = chain.from_iterable(plain_rows(connection, source.query(window)))
    named = [str(row[0]) for row in rows if hashed(*row[: source.keys]) in wanted]
    return tuple(sorted(named)[:NAMED])


def late_tables(connection: Connection, report: AssessmentReport, frozen: Frozen) -> LateTables:
    """Compare the tallies and the ledger of the window with the frozen ones."""
    window, told = report.data_window, {TALLY_FILE: report.tallies, LEDGER_FILE: report.ledger}
    now = data_files.packed(connection, window)
    changed = tuple(name for name, digest in told.items() if now[name].sha256 != digest)
    if TALLY_FILE not in changed:
        return LateTables(changed=changed)
    with standing(connection, report, frozen):
        before = _sums(connection, window)
    after = _sums(connection, window)
    fewer = {measure for (measure, hour), sums in before.items() if _less(after.get((measure, hour), (0, 0)), sums)}
    grown = (after[key][0] - before.get(key, (0, 0))[0] for key in after if key[0] == "segmented")
    return LateTables(utterances=sum(grown), fewer=tuple(sorted(fewer)), changed=changed)


def _sums(connection: Connection, window: Window) -> dict[tuple[str, int], tuple[int, int]]:
    """Return the counts and samples of GROWING by measure and hour."""
    sums = (func.sum(TALLIES.c.count).label("n"), func.sum(TALLIES.c.samples).label("samples"))
    kept = (TALLIES.c.measure.in_(GROWING), TALLIES.c.hour >= hours(window).start, TALLIES.c.hour < hours(window).stop)
    query = select(TALLIES.c.measure, TALLIES.c.hour, *sums).where(*kept).group_by(TALLIES.c.measure, TALLIES.c.hour)
    return {(row.measure, row.hour): (int(row.n), int(row.samples)) for row in connection.execute(query)}


def _less(after: tuple[int, int], before: tuple[int, int]) -> bool:
    return after[0] < before[0] or after[1] < before[1]


@contextmanager
def standing(connection: Connection, report: AssessmentReport, frozen: Frozen) -> Iterator[None]:
    """Let queries read the frozen tallies and room hours in place of the stored ones.

    An error inside the block must end the transaction, which takes everything back.
    """
    kept = hours(report.data_window)
    made: list[tuple[Table, Table]] = []
    for name, table in TABLES.items():
        stored = _like(table, table.name, schema=_schema(connection))
        copy = _like(table, f"frozen_{table.name}", prefixes=["TEMPORARY"])
        connection.execute(CreateTable(copy))
        data_files.load(connection, frozen.file(name), copy)
        # Some figures look further back than the report's own tallies.
        outside = select(stored).where(or_(stored.c.hour < kept.start, stored.c.hour >= kept.stop))
        rows = union_all(outside, select(copy))
        sql = rows.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
        # A view of the connection hides the table of the same name.
        connection.exec_driver_sql(f"CREATE TEMPORARY VIEW {table.name} AS {sql}")
        made.append((table, copy))
    yield
    own = "pg_temp" if connection.dialect.name == "postgresql" else "temp"
    for table, copy in made:
        connection.exec_driver_sql(f"DROP VIEW {own}.{table.name}")
        connection.execute(DropTable(copy))


def _schema(connection: Connection) -> str:
    """Return the schema of the store's tables, so that a view of the same name can read them."""
    return str(connection.scalar(select(func.current_schema()))) if connection.dialect.name == "postgresql" else "main"


def _like(table: Table, name: str, **options: Any) -> Table:
    return Table(name, MetaData(), *(Column(each.name, each.type) for each in table.columns), **options)
