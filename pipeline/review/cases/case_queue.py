"""The queue of open cases in pages: child safety first, then by severity, then by deadline.

The caller opens the connection. An index holds the order, so its columns (QUEUE_ORDER) do not change over time.

Escalated cases have a deadline of their own. It counts from the escalation, or from the moment at which a later
decision was taken back.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, FromClause, Row, Select, false, func, or_, select, tuple_

from pipeline.contract.messages import Flag
from pipeline.review.cases import eligibility, reading
from pipeline.review.cases.case_values import CHILD_SAFETY, WHOLE_ROOM, Case, Place, label_of
from pipeline.review.cases.eligibility import Eligibility
from pipeline.review.tables.case_tables import COPIES
from pipeline.review.tables.core import CASES, DECISIONS, LEASES, OPEN, QUEUE_FILTERS, QUEUE_ORDER
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pipeline.judge.labels import Labels

CHILD_SAFETY_RANK = 0

LOW, MEDIUM, HIGH, CRITICAL = 0, 1, 2, 3
"""The severities are 0 low, 1 medium, 2 high and 3 critical. `configs/labels.yaml` uses these names."""

TARGETS = (14_400.0, 3_600.0, 900.0, 300.0)
"""Seconds within which a moderator should decide a case, by severity."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """`severities` maps a label to its severity; `targets` are seconds, by severity."""

    severities: Mapping[str, int]
    targets: tuple[float, float, float, float] = TARGETS

    def severity(self, lead: Flag) -> int:
        """Return the severity of the flag's worst label.

        A suggestion to block makes it high at least. Speech that the policy passed is low.
        """
        if lead.suggestion == "pass":
            return LOW
        label = self.of_label(label_of(lead))
        return max(label, HIGH) if lead.suggestion == "block" else label

    def columns(self, lead: Flag, at: float) -> dict[str, Any]:
        """Return the columns `severity`, `rank` and `due_at` of a case that was stored at `at` (UTC seconds).

        `lead` is the case's worst flag.
        """
        return self.place(label_of(lead), self.severity(lead), at)

    def of_label(self, label: str) -> int:
        """Return the severity of a label. An unknown label is medium."""
        return self.severities.get(label, MEDIUM)

    def place(self, label: str, severity: int, at: float) -> dict[str, Any]:
        """Return these columns for a case of this label and severity whose deadline counts from `at` (UTC seconds)."""
        # Speech that the policy passed is low, and comes last whatever its label.
        rank = CHILD_SAFETY_RANK if label == CHILD_SAFETY and severity > LOW else CRITICAL + 1 - severity
        return {"severity": severity, "rank": rank, "due_at": at + self.targets[severity]}

    def since(self, case: Case) -> float:
        """Return the moment from which the deadline of a case counts (UTC seconds): it was stored, or reopened."""
        return case.due_at - self.targets[case.severity]


def build_ranking(settings: Settings) -> Ranking:
    """Return the ranking of the settings and of the label file that they name."""
    from pipeline.judge import labels

    return ranking_of(labels.load_labels(settings.judge.labels), settings)


def ranking_of(known: "Labels", settings: Settings) -> Ranking:
    """Return the ranking of these labels and settings."""
    targets = settings.console.targets_seconds
    return Ranking(
        {name: known.severity(name) for name in known.labels},
        (targets.low, targets.medium, targets.high, targets.critical),
    )


PAGE = 30
SEARCHED = 1_000
"""The most open cases that `like` searches."""

Likeness = Literal["speaker", "room", "phrase"]
"""The feature that similar cases share, beside the label."""

View = Literal["mine", "others", "unassigned", "escalated"]
"""A part of the queue: cases assigned to the person, all other cases, cases assigned to nobody, escalated cases."""


class Without(Struct, frozen=True, kw_only=True):
    """The cases that one person does not get.

    These are the cases with one of these ids, with one of these labels, or with at least this severity. Child safety
    has at least each severity.
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
    severity: int | None = None
    assigned: str | None = None
    """The account that the case is assigned to."""
    view: View | None = None
    """"mine" and "others" need an `eligibility`."""
    without: Without = Without()
    eligibility: Eligibility | None = None


EVERYTHING = QueueFilter()
COLUMNS = ("label", "language", "room", "speaker", "suggestion", "policy", "status", "severity")
"""The fields of a QueueFilter that are columns of CASES."""
ORDER = tuple(CASES.c[name] for name in QUEUE_ORDER)


def list_queue(
    connection: Connection, wanted: QueueFilter = EVERYTHING, after: Place | None = None, limit: int = PAGE
) -> list[Case]:
    """Return open cases, most urgent first. For the next page, give the `place` of the last case as `after`."""
    # Choosing the ids first reads an index alone, also when few of many cases match.
    query = select(CASES).where(CASES.c.id.in_(chosen(wanted, after, limit))).order_by(*ORDER)
    return [reading.case_of(row) for row in connection.execute(query)]


def chosen(wanted: QueueFilter, after: Place | None, limit: int) -> Select[tuple[str]]:
    """Return the query for the ids of a page of the queue."""
    query = _filtered(select(CASES.c.id), wanted).order_by(*ORDER).limit(limit)
    # Pages by key: cases come and go at the head of the queue, and an OFFSET would skip some.
    return query if after is None else query.where(tuple_(*ORDER) > tuple_(*after))


def count_queue(connection: Connection, wanted: QueueFilter = EVERYTHING, most: int | None = None) -> int:
    """Count the open cases. Counting stops at `most`, so that it stays cheap when many cases wait."""
    # The limit stands in a subquery: around COUNT it would limit the one row of the result.
    found = _filtered(select(CASES.c.id), wanted).limit(most).subquery()
    return int(connection.execute(select(func.count()).select_from(found)).scalar_one())


def arrived(connection: Connection, wanted: QueueFilter, since: float, severity: int, most: int) -> int:
    """Count the open cases of at least this severity that were stored after `since` (UTC seconds), up to `most`."""
    fresh = _filtered(select(CASES.c.id), wanted).where(CASES.c.created_at > since, CASES.c.severity >= severity)
    return int(connection.execute(select(func.count()).select_from(fresh.limit(most).subquery())).scalar_one())


def counts(connection: Connection, wanted: QueueFilter, at: float, most: int) -> tuple[int, int]:
    """Count the `most` most urgent cases, and how many are past their deadline at `at` (UTC seconds)."""
    ahead = _filtered(select(CASES.c.due_at), wanted).order_by(*ORDER).limit(most).subquery()
    total, late = connection.execute(
        select(func.count(), func.count().filter(ahead.c.due_at < at)).select_from(ahead)
    ).one()
    return int(total), int(late)


def choices(connection: Connection, limit: int = 1_000) -> dict[str, list[str]]:
    """Return the labels, languages, suggestions and policies of the `limit` most urgent open cases, for filters."""
    columns = (CASES.c.label, CASES.c.language, CASES.c.suggestion, CASES.c.policy)
    ahead = select(*columns).where(OPEN).order_by(*ORDER).limit(limit).subquery()
    found = connection.execute(select(ahead).distinct()).all()
    return {column.name: sorted({row._mapping[column.name] for row in found} - {""}) for column in columns}


def next_free(connection: Connection, account: str, at: float, wanted: QueueFilter = EVERYTHING) -> str | None:
    """Return the id of the first case that `account` may decide and no other moderator holds at `at`.

    Cases that are assigned to the account come first, and only child safety comes before them. The row is locked, so
    that two moderators who ask at once get different cases. None: no case is free.
    """
    # Several queries, because "mine first" as a sort key would read all open cases instead of an index.
    parts: tuple[View | None, ...] = (wanted.view,)
    if wanted.view is None and wanted.eligibility:
        parts = ("mine", "others") if eligibility.has_assigned(connection, account) else ("others",)
    found: list[Row[tuple[str, int]]] = []
    for view in parts:
        query = _free(account, at, msgspec.structs.replace(wanted, view=view)).limit(1)
        # of: PostgreSQL locks no row of the optional side of an outer join (LEASES).
        found += connection.execute(query.with_for_update(of=CASES, skip_locked=True))
    return str(min(found, key=lambda row: row.rank > CHILD_SAFETY_RANK).id) if found else None


def free(connection: Connection, account: str, at: float, wanted: QueueFilter, limit: int, only: str = "") -> list[str]:
    """Return the ids of the first cases that `account` may decide and no other moderator holds at `at`.

    `only` is the id of the one case that is asked for.
    """
    query = _free(account, at, wanted).limit(limit)
    return list(connection.scalars(query.where(CASES.c.id == only) if only else query))


def like(connection: Connection, case: Case, by: Likeness, account: str, at: float, limit: int) -> list[Case]:
    """Return open cases similar to `case`, itself included, most urgent first.

    They contain only cases that the account may decide and that no other moderator holds at `at`. Copies for a second
    opinion are left out, because a bulk decision is no real second opinion.
    """
    same = {"speaker": same_voice(case), "room": CASES.c.room == case.room}
    query = (
        select(CASES)
        .outerjoin(LEASES, LEASES.c.case_id == CASES.c.id)
        .where(*eligibility.eligibility_of(connection, account, at).conditions())
        .where(OPEN, CASES.c.id.not_in(COPIES), CASES.c.label == case.label, same.get(by, CASES.c.label == case.label))
        .where(or_(LEASES.c.id.is_(None), LEASES.c.expires_at <= at, LEASES.c.account == account))
        .order_by(*ORDER)
        .limit(SEARCHED)
    )
    found = [reading.case_of(row) for row in connection.execute(query)]
    terms = {hit.term for hit in case.hits}
    # Hits are JSON, so the terms are compared here and not in SQL.
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


def _free(account: str, at: float, wanted: QueueFilter) -> Select[tuple[str, int]]:
    return (
        _filtered(select(CASES.c.id, CASES.c.rank), wanted)
        .where(~eligibility.escalated_by(account))
        .outerjoin(LEASES, LEASES.c.case_id == CASES.c.id)
        .where(or_(LEASES.c.id.is_(None), LEASES.c.expires_at <= at, LEASES.c.account == account))
        .order_by(*ORDER)
    )


def _filtered(query: Select[Any], wanted: QueueFilter) -> Select[Any]:
    query = query.where(OPEN, *_asked(CASES, wanted))
    if any(getattr(wanted, name) is not None for name in COLUMNS if name in QUEUE_FILTERS):
        # Without a match, the answer comes from an index alone. The other conditions would read each open case.
        same = CASES.alias("same")
        first = (
            select(same.c.id)
            .where(OPEN, *_asked(same, wanted))
            .order_by(*(same.c[name] for name in QUEUE_ORDER))
            .limit(1)
        )
        query = query.where(first.scalar_subquery().is_not(None))
    without = wanted.without
    if without.cases:
        query = query.where(CASES.c.id.not_in(without.cases))
    if without.labels:
        query = query.where(CASES.c.label.not_in(without.labels))
    if without.severity is not None:
        # The index begins with the rank: this skips a backlog of severe cases.
        query = query.where(CASES.c.rank > CRITICAL + 1 - without.severity)
    return query.where(*_shared_out(wanted), *(wanted.eligibility.conditions() if wanted.eligibility else ()))


def _asked(cases: FromClause, wanted: QueueFilter) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions on columns of CASES."""
    for name in COLUMNS:
        value = getattr(wanted, name)
        if value is not None:
            # An index of this column alone leads to every case. So it is hidden, and an index of the queue is read.
            yield (_hidden(cases.c[name]) if name in QUEUE_FILTERS else cases.c[name]) == value


def _hidden(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the value of a column, so that no index of this column alone is used."""
    return column + 0 if column.name == "severity" else column.concat("")


def _shared_out(wanted: QueueFilter) -> list[ColumnElement[bool]]:
    """Return the conditions of `view` and `assigned`."""
    found = [eligibility.assigned_to(wanted.assigned)] if wanted.assigned is not None else []
    mine = eligibility.assigned_to(wanted.eligibility.account) if wanted.eligibility else false()
    views = {
        "mine": mine,
        "others": ~mine,
        "unassigned": eligibility.unassigned(),
        "escalated": CASES.c.status == "escalated",
    }
    return [*found, views[wanted.view]] if wanted.view else found


ESCALATED_SECONDS = 1_800.0
"""Time within which an escalated case should be decided: a lead is not always at the desk."""
MOST_ESCALATED = 1_000
"""The most escalated cases that are read."""


def list_escalated(connection: Connection, wanted: QueueFilter, after: Place | None, limit: int) -> list[Case]:
    """Return escalated cases, most urgent first. Their deadline is ESCALATED_SECONDS after the escalation or reopening.

    For the next page, give the `place` of the last case as `after`.
    """
    # Few cases are escalated at once, so their order is made here and needs no index.
    found = list_queue(connection, msgspec.structs.replace(wanted, view="escalated"), limit=MOST_ESCALATED)
    placed = sorted(_placed(connection, found), key=lambda case: case.place)
    return [case for case in placed if after is None or case.place > after][:limit]


def escalators(connection: Connection, cases: Collection[str]) -> dict[str, str]:
    """Return who escalated each of these cases that is escalated, by case id."""
    query = select(DECISIONS.c.case_id, DECISIONS.c.moderator).join(CASES, CASES.c.id == DECISIONS.c.case_id)
    standing = query.where(DECISIONS.c.undone.is_(None), CASES.c.status == "escalated", CASES.c.id.in_(cases))
    return {row.case_id: row.moderator for row in connection.execute(standing.order_by(DECISIONS.c.at))}


def _placed(connection: Connection, cases: list[Case]) -> list[Case]:
    query = (
        select(DECISIONS.c.case_id, func.max(func.coalesce(DECISIONS.c.undone, DECISIONS.c.at)).label("at"))
        .where(DECISIONS.c.case_id.in_(select(CASES.c.id).where(CASES.c.status == "escalated")))
        .group_by(DECISIONS.c.case_id)
    )
    due = {row.case_id: row.at + ESCALATED_SECONDS for row in connection.execute(query)}
    return [
        msgspec.structs.replace(case, due_at=due[case.id])
        for case in cases
        # A case that is missing here was decided or reopened between the two queries.
        if case.id in due
    ]
