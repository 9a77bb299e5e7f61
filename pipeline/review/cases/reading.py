"""Reads of the review store. The caller opens the connection."""

from collections.abc import Collection, Iterable
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Row, Select, bindparam, func, or_, select, tuple_
from sqlalchemy import case as case_when

from pipeline.base.errors import Missing
from pipeline.contract.messages import Decision, Flag
from pipeline.review.cases.case_values import Case, CaseFile, Evidence, Filters
from pipeline.review.database import begins, fields_of
from pipeline.review.tables.case_tables import COPIES
from pipeline.review.tables.core import CASES, DECISIONS, EVIDENCE, FLAGS, GROUPED, OPEN

T = TypeVar("T")

UNDO_REACH = 60.0
"""Seconds. No undo window is longer."""

# Each request for a case runs these. To build a statement takes SQLAlchemy as long as SQLite takes to answer it.
CASE = select(CASES).where(CASES.c.id == bindparam("case"))
CASE_LOCKED = CASE.with_for_update()
FLAGS_OF = (
    select(FLAGS)
    .where(FLAGS.c.case_id == bindparam("case"), FLAGS.c.linked == bindparam("linked"))
    .order_by(FLAGS.c.start, FLAGS.c.id)
)
EVIDENCE_OF = (
    select(EVIDENCE).where(EVIDENCE.c.case_id == bindparam("case")).order_by(EVIDENCE.c.seconds.desc(), EVIDENCE.c.path)
)
DECISIONS_OF = (
    select(DECISIONS).where(DECISIONS.c.case_id == bindparam("case")).order_by(DECISIONS.c.at, DECISIONS.c.id)
)


def cases(connection: Connection, filters: Filters, after: tuple[float, str] | None, limit: int) -> list[Case]:
    """Return cases, newest first, without copies. `after` is the `key` of the last case on the page before."""
    query = select(CASES).where(CASES.c.id.not_in(COPIES))
    query = query.order_by(CASES.c.created_at.desc(), CASES.c.id.desc()).limit(limit)
    for name, wanted in msgspec.structs.asdict(filters).items():
        if wanted is not None:
            query = query.where(CASES.c.created_at >= wanted if name == "since" else CASES.c[name] == wanted)
    if after is not None:
        # Pages by key and not by OFFSET: each page costs the same, and a new case moves none.
        query = query.where(tuple_(CASES.c.created_at, CASES.c.id) < tuple_(*after))
    return [case_of(row) for row in connection.execute(query)]


SHOWN = 8
"""The pages show so many characters of an id."""
LENGTH = 36
"""The characters of a whole id."""


def full_id(connection: Connection, typed: str) -> str:
    """Return the id of the one case that begins with `typed`, at least SHOWN characters; without one, `typed`."""
    if not SHOWN <= len(typed) < LENGTH:
        return typed
    found = ids(connection, typed, 2)
    return found[0] if len(found) == 1 else typed


def case(connection: Connection, identity: str, lock: bool = False) -> Case:
    """Return the case with this id. With `lock`, no other transaction can change it until this one ends.

    Raises Missing if there is none.
    """
    row = connection.execute(CASE_LOCKED if lock else CASE, {"case": identity}).one_or_none()
    if row is None:
        raise Missing(f"There is no case {identity}", "`voxwarden cases list` shows the ids.", text="missing_case")
    return case_of(row)


def locked(connection: Connection, ids: Collection[str]) -> dict[str, Case]:
    """Return these cases by id, and lock them. Unknown ids are left out.

    A transaction that changes several cases locks them all here before it changes one. The order of the ids is the same
    for all, so that two transactions never wait for each other.
    """
    query = select(CASES).where(CASES.c.id.in_(set(ids))).order_by(CASES.c.id).with_for_update()
    return {row.id: case_of(row) for row in connection.execute(query)}


def case_file(connection: Connection, identity: str) -> CaseFile:
    """Return a case with its flags, evidence and decisions. Raises Missing if there is none."""
    return CaseFile(
        case=case(connection, identity),
        flags=flags(connection, identity),
        evidence=evidence(connection, identity),
        decisions=decisions(connection, identity),
        linked=flags(connection, identity, linked=True),
    )


def flags(connection: Connection, case_id: str, linked: bool = False) -> tuple[Flag, ...]:
    """Return the flags of a case by time: those it consists of, or with `linked` those after its decision."""
    return tuple(flag_of(row) for row in connection.execute(FLAGS_OF, {"case": case_id, "linked": linked}))


def flags_of(connection: Connection, query: Select[Any]) -> tuple[Flag, ...]:
    return tuple(flag_of(row) for row in connection.execute(query))


def flag_of(row: Row[Any]) -> Flag:
    return msgspec.convert(fields_of(row) | {"act": row.act or ()}, Flag)


def evidence(connection: Connection, case_id: str) -> tuple[Evidence, ...]:
    """Return the clips of a case, longest first."""
    return _of_case(connection.execute(EVIDENCE_OF, {"case": case_id}), Evidence)


def evidence_of(connection: Connection, query: Select[Any]) -> tuple[Evidence, ...]:
    return _of_case(connection.execute(query), Evidence)


def decisions(connection: Connection, case_id: str) -> tuple[Decision, ...]:
    """Return the decisions on a case by time, undone ones included."""
    return _of_case(connection.execute(DECISIONS_OF, {"case": case_id}), Decision)


def decisions_of(connection: Connection, query: Select[Any]) -> tuple[Decision, ...]:
    return _of_case(connection.execute(query), Decision)


def decisions_since(connection: Connection, since: float) -> tuple[Decision, ...]:
    """Return the decisions made or undone at or after `since` (UTC seconds).

    An undo comes at most UNDO_REACH after its decision, so the query looks back only so far.
    """
    query = select(DECISIONS).where(
        DECISIONS.c.at >= since - UNDO_REACH, or_(DECISIONS.c.at >= since, DECISIONS.c.undone >= since)
    )
    return decisions_of(connection, query.order_by(DECISIONS.c.at, DECISIONS.c.id))


def ids(connection: Connection, prefix: str, limit: int) -> list[str]:
    """Return the ids that begin with `prefix`, in order, at most `limit`."""
    # autoescape: `_` and `%` of a typed prefix are no wildcards.
    query = select(CASES.c.id).where(CASES.c.id.startswith(prefix, autoescape=True)).order_by(CASES.c.id).limit(limit)
    return list(connection.scalars(query.where(begins(CASES.c.id, prefix)) if prefix else query))


def case_of(row: Row[Any]) -> Case:
    return msgspec.convert(fields_of(row), Case)


def _of_case(rows: Iterable[Row[Any]], kind: type[T]) -> tuple[T, ...]:
    return tuple(msgspec.convert(fields_of(row) | {"case": row.case_id}, kind) for row in rows)


class OpenGroup(Struct, frozen=True, kw_only=True):
    """The open cases that have these four fields in common: all that decides who may get a case.

    The figures of the queue are sums over groups, so their cost grows only with the number of open cases. Times are UTC
    seconds.
    """

    severity: int
    language: str
    label: str
    status: str
    open: int
    late: int
    """The cases past their deadline."""
    oldest: float
    """When the oldest case was stored."""
    due: float
    """The earliest deadline."""


def open_groups(connection: Connection, at: float) -> list[OpenGroup]:
    """Return the groups of the cases that are open at `at` (UTC seconds), by one reading of an index."""
    keys = [CASES.c[name] for name in GROUPED]
    late = func.sum(case_when((CASES.c.due_at < at, 1), else_=0))
    query = select(*keys, func.count(), late, func.min(CASES.c.created_at), func.min(CASES.c.due_at))
    rows = connection.execute(query.where(OPEN).group_by(*keys)).all()
    return [OpenGroup(**dict(zip(OpenGroup.__struct_fields__, row, strict=True))) for row in rows]
