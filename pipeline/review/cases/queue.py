"""The queue of open cases, most urgent first, in pages. The caller opens the connection."""

from typing import Any, Literal

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Select, func, or_, select, tuple_

from pipeline.review.cases import duty, reading
from pipeline.review.cases.values import WHOLE_ROOM, Case
from pipeline.review.tables.core import CASES, LEASES, OPEN, QUEUE_FILTERS
from pipeline.review.tables.quality import COPIES

PAGE = 50
SEARCHED = 1_000
"""The most open cases that `like` searches."""

Likeness = Literal["speaker", "room", "phrase"]
"""The feature that similar cases share, beside the label."""


class Without(Struct, frozen=True, kw_only=True):
    """The cases that one person does not get.

    These are the cases with one of these ids, with one of these labels, or with at least this severity.
    """

    cases: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()
    severity: int | None = None


class QueueFilter(Struct, frozen=True, kw_only=True):
    """A filter of open cases. A field that is None does not filter."""

    label: str | None = None
    language: str | None = None
    room: str | None = None
    speaker: str | None = None
    suggestion: str | None = None
    policy: str | None = None
    status: str | None = None
    without: Without = Without()


EVERYTHING = QueueFilter()


def page(
    connection: Connection, wanted: QueueFilter = EVERYTHING, after: tuple[float, str] | None = None, limit: int = PAGE
) -> list[Case]:
    """Return open cases, most urgent first. For the next page, give the `place` of the last case as `after`."""
    # Choosing the ids first reads an index alone, also when few of many cases match.
    chosen = _filtered(select(CASES.c.id), wanted).order_by(CASES.c.urgency, CASES.c.id).limit(limit)
    if after is not None:
        chosen = chosen.where(tuple_(CASES.c.urgency, CASES.c.id) > tuple_(*after))
    query = select(CASES).where(CASES.c.id.in_(chosen)).order_by(CASES.c.urgency, CASES.c.id)
    return [reading.case_of(row) for row in connection.execute(query)]


def count(connection: Connection, wanted: QueueFilter = EVERYTHING, most: int | None = None) -> int:
    """Count the open cases. Counting stops at `most`, so that it stays cheap when many cases wait."""
    found = _filtered(select(CASES.c.id), wanted).limit(most).subquery()
    return int(connection.execute(select(func.count()).select_from(found)).scalar_one())


def earliest_due(connection: Connection) -> float | None:
    """Return the earliest deadline of all open cases (UTC seconds); None if no case is open."""
    found = connection.execute(select(func.min(CASES.c.due_at)).where(OPEN)).scalar_one()
    return None if found is None else float(found)


def choices(connection: Connection, limit: int = 1_000) -> dict[str, list[str]]:
    """Return the labels, languages, suggestions and policies of the `limit` most urgent open cases, for filters."""
    columns = (CASES.c.label, CASES.c.language, CASES.c.suggestion, CASES.c.policy)
    ahead = select(*columns).where(OPEN).order_by(CASES.c.urgency, CASES.c.id).limit(limit).subquery()
    found = connection.execute(select(ahead).distinct()).all()
    return {column.name: sorted({row._mapping[column.name] for row in found} - {""}) for column in columns}


def next_free(connection: Connection, account: str, at: float, wanted: QueueFilter = EVERYTHING) -> str | None:
    """Return the id of the most urgent case that `account` may decide and no other moderator holds at `at`.

    The row is locked, so that two moderators who ask at once get different cases. None: no case is free.
    """
    query = (
        _filtered(select(CASES.c.id), wanted)
        .where(~duty.escalated_by(account))
        .outerjoin(LEASES, LEASES.c.case_id == CASES.c.id)
        .where(or_(LEASES.c.id.is_(None), LEASES.c.expires_at <= at, LEASES.c.account == account))
        .order_by(CASES.c.urgency, CASES.c.id)
        .limit(1)
        .with_for_update(of=CASES, skip_locked=True)
    )
    return connection.execute(query).scalar_one_or_none()


def like(connection: Connection, case: Case, by: Likeness, account: str, at: float, limit: int) -> list[Case]:
    """Return open cases similar to `case`, itself included, most urgent first.

    They contain only cases that the account may decide and that no other moderator holds at `at`. Copies for a second
    opinion are left out, because a bulk decision is no real second opinion.
    """
    same = {"speaker": same_voice(case), "room": CASES.c.room == case.room}
    query = (
        select(CASES)
        .outerjoin(LEASES, LEASES.c.case_id == CASES.c.id)
        .where(~duty.escalated_by(account))
        .where(OPEN, CASES.c.id.not_in(COPIES), CASES.c.label == case.label, same.get(by, CASES.c.label == case.label))
        .where(or_(LEASES.c.id.is_(None), LEASES.c.expires_at <= at, LEASES.c.account == account))
        .order_by(CASES.c.urgency, CASES.c.id)
        .limit(SEARCHED)
    )
    found = [reading.case_of(row) for row in connection.execute(query)]
    terms = {hit.term for hit in case.hits}
    if by == "phrase":
        found = [other for other in found if terms & {hit.term for hit in other.hits}]
    return found[:limit]


def same_voice(case: Case) -> ColumnElement[bool]:
    """Return the condition for cases of the same speaker. For a case about a whole room: of the same room."""
    same = CASES.c.speaker == case.speaker
    return same & (CASES.c.room == case.room) if case.speaker == WHOLE_ROOM else same


def since(connection: Connection, at: float, limit: int = 500) -> list[Case]:
    """Return open cases that were stored at or after `at` (UTC seconds), newest first."""
    query = select(CASES).where(OPEN, CASES.c.created_at >= at).order_by(CASES.c.created_at.desc()).limit(limit)
    return [reading.case_of(row) for row in connection.execute(query)]


def _filtered(query: Select[Any], wanted: QueueFilter) -> Select[Any]:
    query = query.where(OPEN)
    for name, value in msgspec.structs.asdict(wanted).items():
        if value is not None and name != "without":
            # An index of this column alone leads to every case. So it is hidden, and an index of the queue is read.
            column = CASES.c[name].concat("") if name in QUEUE_FILTERS else CASES.c[name]
            query = query.where(column == value)
    without = wanted.without
    if without.cases:
        query = query.where(CASES.c.id.not_in(without.cases))
    if without.labels:
        query = query.where(CASES.c.label.not_in(without.labels))
    return query if without.severity is None else query.where(CASES.c.severity < without.severity)
