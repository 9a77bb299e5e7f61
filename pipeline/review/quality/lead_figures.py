"""Figures for leads: state of the queue, load of each person, quality of the work; and the cases behind each figure.

The caller opens the connection. Times are UTC seconds.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, get_args

from msgspec import Struct
from sqlalchemy import Connection, Select, case, func, select

from pipeline.review.accounts import accounts, wellness
from pipeline.review.cases import appeals, case_queue, leases, reading
from pipeline.review.cases.case_values import Case
from pipeline.review.cases.reading import OpenGroup
from pipeline.review.quality import agreement_figures
from pipeline.review.quality.quality_checks import FINAL
from pipeline.review.quality.statistics import Share
from pipeline.review.tables.case_tables import APPEALS, CHECKS
from pipeline.review.tables.core import CASES, DECISIONS, LEASES, OPEN

DAY = 86_400.0
HOUR = 3_600.0
WINDOW = 30 * DAY
"""Seconds of data for figures that need many cases: agreement, golden cases, precision, recall, appeals."""
MOST = 200
"""The most cases in a list."""

What = Literal[
    "open",
    "late",
    "held",
    "arrived",
    "decided_lately",
    "decided",
    "severe",
    "in_time",
    "overdue",
    "upheld",
    "dismissed",
    "agreed",
    "differed",
    "golden",
    "golden_wrong",
    "audits",
    "missed",
    "overturned",
]
"""A figure; `found` returns the cases behind it."""
WHATS: tuple[What, ...] = get_args(What)


class QueueState(Struct, frozen=True):
    """The queue of one severity: the number of open cases and of late ones.

    `oldest` is the age of the oldest case, in seconds, and `oldest_case` is its id.
    """

    severity: int
    open: int
    late: int
    oldest: float
    oldest_case: str
    target: float
    """Seconds in which the oldest case should have been decided."""

    @property
    def over(self) -> bool:
        """Whether the oldest case is past its target time."""
        return self.oldest > self.target


class Forecast(Struct, frozen=True):
    """A forecast under the assumption that the next hours are like the last hour.

    `arrived` and `decided` count the cases of the last hour.
    """

    open: int
    arrived: int
    decided: int

    @property
    def seconds(self) -> float | None:
        """Seconds until no case waits. None: never, because as many cases arrive as are decided, or more."""
        if not self.open:
            return 0.0
        gained = self.decided - self.arrived
        return self.open / gained * HOUR if gained > 0 else None


class Load(Struct, frozen=True):
    """The load of one person in the last day.

    A person's listening time is private. A lead only sees, in `over`, whether the person reached a limit.
    """

    account: str
    held: int
    decided: int
    severe: int
    over: bool


def backlog(connection: Connection, waiting: Iterable[OpenGroup], at: float) -> list[QueueState]:
    """Return the state of the queue at `at` for each severity in the groups `waiting`, highest severity first."""
    by_severity: dict[int, list[OpenGroup]] = defaultdict(list)
    for group in waiting:
        by_severity[group.severity].append(group)
    states = (
        _backlog(connection, severity, by_severity[severity], at) for severity in sorted(by_severity, reverse=True)
    )
    return [state for state in states if state]


def forecast(connection: Connection, at: float) -> Forecast:
    """Count open cases, and the cases that arrived and were decided in the hour before `at` (UTC seconds)."""
    arrived = select(func.count()).select_from(CASES).where(CASES.c.created_at > at - HOUR)
    decided = select(func.count()).select_from(DECISIONS).where(DECISIONS.c.at > at - HOUR, *_STANDS)
    waiting = select(func.count()).select_from(CASES).where(OPEN)
    return Forecast(*(int(connection.execute(query).scalar_one()) for query in (waiting, arrived, decided)))


def in_time(connection: Connection, since: float) -> Share:
    """Return the share of decisions after `since` that came before the deadline of their case."""
    before = func.sum(case((DECISIONS.c.at <= CASES.c.due_at, 1), else_=0))
    query = select(func.coalesce(before, 0).label("hits"), func.count().label("n"))
    row = connection.execute(query.select_from(_DECIDED).where(DECISIONS.c.at > since, *_STANDS)).one()
    return Share(int(row.hits), int(row.n))


def loads(connection: Connection, at: float) -> list[Load]:
    """Return the load of every account that decides, in order of names. It is not a ranking."""
    severe = func.sum(case((CASES.c.severity >= wellness.SEVERE, 1), else_=0))
    query = select(DECISIONS.c.moderator, func.count().label("decided"), severe.label("severe"))
    query = query.select_from(_DECIDED).where(DECISIONS.c.at > at - DAY, *_STANDS)
    counts = {row.moderator: row for row in connection.execute(query.group_by(DECISIONS.c.moderator))}
    held = list(leases.holders(connection, at).values())
    return [
        Load(
            one.name,
            held.count(one.name),
            counts[one.name].decided if one.name in counts else 0,
            counts[one.name].severe if one.name in counts else 0,
            wellness.meter(connection, one.name, one.preferences.comfort, at).over,
        )
        for one in accounts.all_accounts(connection)
        if one.role != "auditor" and not one.disabled
    ]


def overturned(connection: Connection, since: float) -> Share:
    """Return the share of appeals settled at or after `since` that overturned the decision."""
    count = appeals.settled(connection, since)
    return Share(count.overturned, count.settled)


def found(
    connection: Connection,
    what: What,
    at: float,
    *,
    severity: int | None = None,
    account: str = "",
    label: str = "",
) -> list[Case]:
    """Return the cases behind a figure, most urgent first, at most MOST.

    `severity`, `account` and `label` narrow the list. With `account`, it contains the cases that the account holds
    ("held") or decided in the last day (all other figures).
    """
    query = _QUERIES[what](connection, at).order_by(*case_queue.ORDER).limit(MOST)
    if severity is not None:
        query = query.where(CASES.c.severity == severity)
    if label:
        query = query.where(CASES.c.label == label)
    if account and what == "held":
        query = query.where(LEASES.c.account == account)
    elif account:
        mine = select(DECISIONS.c.case_id).where(DECISIONS.c.moderator == account, DECISIONS.c.undone.is_(None))
        query = query.where(CASES.c.id.in_(mine.where(DECISIONS.c.at > at - DAY)))
    return [reading.case_of(row) for row in connection.execute(query)]


# An escalation is no end of a case, so it counts as no decision here.
_STANDS = (DECISIONS.c.undone.is_(None), DECISIONS.c.verdict.in_(FINAL))
_DECIDED = DECISIONS.join(CASES, CASES.c.id == DECISIONS.c.case_id)


def _backlog(connection: Connection, severity: int, groups: Sequence[OpenGroup], at: float) -> QueueState | None:
    """Return the state of the queue; None if all its cases were decided since `groups` were read."""
    count, late = sum(group.open for group in groups), sum(group.late for group in groups)
    since = min(group.oldest for group in groups)
    # No open case of the group is older than `since`, so the index is read from there on.
    query = select(CASES).where(OPEN, CASES.c.severity == severity, CASES.c.created_at >= since)
    oldest = connection.execute(query.order_by(CASES.c.created_at, CASES.c.id).limit(1)).one_or_none()
    if oldest is None:
        return None
    return QueueState(severity, count, late, at - oldest.created_at, oldest.id, oldest.due_at - oldest.created_at)


def _decided_since(since: float, *conditions: Any) -> Select[Any]:
    query = select(DECISIONS.c.case_id).select_from(_DECIDED).where(DECISIONS.c.at > since, *_STANDS, *conditions)
    return select(CASES).where(CASES.c.id.in_(query))


def _flagged(at: float, verdict: str) -> Select[Any]:
    """Select the same cases that `agreement_figures.confirmed` counts."""
    decided = select(DECISIONS.c.case_id).where(DECISIONS.c.at >= at - WINDOW, DECISIONS.c.undone.is_(None))
    return select(CASES).where(CASES.c.id.in_(decided), CASES.c.verdict == verdict, *agreement_figures.FLAGGED)


def _audits(at: float) -> Select[Any]:
    drawn = select(CHECKS.c.case_id).where(CHECKS.c.kind == "audit", CHECKS.c.drawn_at >= at - WINDOW)
    return select(CASES).where(CASES.c.id.in_(drawn))


def _overturned(at: float) -> Select[Any]:
    query = select(APPEALS.c.case_id).join(DECISIONS, DECISIONS.c.id == APPEALS.c.resolution)
    against = query.where(DECISIONS.c.at >= at - WINDOW, DECISIONS.c.undone.is_(None), DECISIONS.c.verdict == "dismiss")
    return select(CASES).where(CASES.c.id.in_(against))


def _of(ids: Sequence[str]) -> Select[Any]:
    return select(CASES).where(CASES.c.id.in_(ids))


def _pairs(connection: Connection, at: float, agrees: bool) -> Select[Any]:
    return _of([pair.original for pair in agreement_figures.pairs(connection, at - WINDOW) if pair.agrees == agrees])


def _answers(connection: Connection, at: float, only_wrong: bool) -> Select[Any]:
    answers = agreement_figures.answers(connection, at - WINDOW)
    return _of([answer.copy for answer in answers if not (only_wrong and answer.correct)])


_QUERIES: Mapping[What, Callable[[Connection, float], Select[Any]]] = {
    "open": lambda _, at: select(CASES).where(OPEN),
    "late": lambda _, at: select(CASES).where(OPEN, CASES.c.due_at < at),
    "held": lambda _, at: select(CASES).join(LEASES, LEASES.c.case_id == CASES.c.id).where(LEASES.c.expires_at > at),
    "arrived": lambda _, at: select(CASES).where(CASES.c.created_at > at - HOUR),
    "decided": lambda _, at: _decided_since(at - DAY),
    "decided_lately": lambda _, at: _decided_since(at - HOUR),
    "severe": lambda _, at: _decided_since(at - DAY, CASES.c.severity >= wellness.SEVERE),
    "in_time": lambda _, at: _decided_since(at - DAY, DECISIONS.c.at <= CASES.c.due_at),
    "overdue": lambda _, at: _decided_since(at - DAY, DECISIONS.c.at > CASES.c.due_at),
    "upheld": lambda _, at: _flagged(at, "uphold"),
    "dismissed": lambda _, at: _flagged(at, "dismiss"),
    "agreed": lambda connection, at: _pairs(connection, at, agrees=True),
    "differed": lambda connection, at: _pairs(connection, at, agrees=False),
    "golden": lambda connection, at: _answers(connection, at, only_wrong=False),
    "golden_wrong": lambda connection, at: _answers(connection, at, only_wrong=True),
    "audits": lambda _, at: _audits(at),
    "missed": lambda _, at: _audits(at).where(CASES.c.verdict == "uphold"),
    "overturned": lambda _, at: _overturned(at),
}
