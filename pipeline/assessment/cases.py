"""The cases behind a figure, for drill-down. `Figure.cases` names a list of this file.

A list has the cases that the figure counts, with the verdicts at the end of the window.
"""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, Select, or_, select
from sqlalchemy.orm import aliased

from pipeline.assessment.audits import within
from pipeline.assessment.decided import REAL, firsts, lasts, standing, upheld
from pipeline.assessment.figure import Figure, Window
from pipeline.judge.labels import SEVERITIES
from pipeline.review.cases.values import REPORTED
from pipeline.review.quality import figures
from pipeline.review.quality.figures import FLAGGED, Pair
from pipeline.review.tables.core import CASES, DECISIONS
from pipeline.review.tables.quality import CHECKS, COPIES
from pipeline.review.tables.rights import APPEALS, REPORTS

MOST = 200
"""The most cases in a list."""

Query = Select[Any]

PARTS = ("label", "language", "policy", "room_type")


def listed(connection: Connection, figure: Figure, window: Window, limit: int = MOST) -> list[str]:
    """Return the ids of the cases behind a figure, newest first, at most `limit`. A figure without a list has none.

    Of the split, the label, language, policy, type of room and severity of the case narrow the list.
    """
    if not figure.cases:
        return []
    query = select(CASES.c.id).where(CASES.c.id.in_(LISTS[figure.cases](connection, window)), REAL, *_narrowed(figure))
    return list(connection.scalars(query.order_by(CASES.c.created_at.desc(), CASES.c.id).limit(limit)))


def _narrowed(figure: Figure) -> list[Any]:
    conditions: list[Any] = [CASES.c[name] == figure.split[name] for name in PARTS if name in figure.split]
    if "severity" in figure.split:
        conditions.append(CASES.c.severity == SEVERITIES.index(figure.split["severity"]))
    return conditions


def _flagged(connection: Connection, window: Window) -> Query:
    del connection
    return select(CASES.c.id).where(*FLAGGED, *within(CASES.c.created_at, window))


def _undecided(connection: Connection, window: Window) -> Query:
    decided = select(lasts(window.until).c.case_id)
    return _flagged(connection, window).where(CASES.c.id.not_in(decided))


def _open(connection: Connection, window: Window) -> Query:
    del connection
    decided = select(firsts(window.until).c.case_id)
    return select(CASES.c.id).where(
        CASES.c.created_at < window.until, CASES.c.id.not_in(decided), CASES.c.id.not_in(COPIES)
    )


def _ordered(connection: Connection, window: Window) -> Query:
    ordered = select(DECISIONS.c.case_id).where(DECISIONS.c.action.is_not(None), *standing(window.until))
    return _flagged(connection, window).where(CASES.c.id.in_(ordered))


def _caught(connection: Connection, window: Window) -> Query:
    return _flagged(connection, window).where(CASES.c.id.in_(upheld(window.until)))


def _decided(connection: Connection, window: Window) -> Query:
    del connection
    decided = select(DECISIONS.c.case_id).where(DECISIONS.c.at >= window.since, *standing(window.until))
    return select(CASES.c.id).where(CASES.c.id.in_(decided), *FLAGGED)


def _audits(connection: Connection, window: Window) -> Query:
    del connection
    return select(CHECKS.c.case_id).where(CHECKS.c.kind == "audit", *within(CHECKS.c.drawn_at, window))


def _missed(connection: Connection, window: Window) -> Query:
    return _audits(connection, window).where(CHECKS.c.case_id.in_(upheld(window.until)))


def _actions(connection: Connection, window: Window) -> Query:
    del connection
    ordered = (DECISIONS.c.action.is_not(None), DECISIONS.c.at >= window.since, *standing(window.until))
    return select(DECISIONS.c.case_id).where(*ordered, DECISIONS.c.case_id.not_in(COPIES))


def _wrong_actions(connection: Connection, window: Window) -> Query:
    last = lasts(window.until)
    dismissed = select(last.c.case_id).where(last.c.verdict == "dismiss")
    return _actions(connection, window).where(DECISIONS.c.case_id.in_(dismissed))


def _reports(connection: Connection, window: Window) -> Query:
    del connection
    return select(REPORTS.c.case_id).where(*within(REPORTS.c.created_at, window))


def _upheld_reports(connection: Connection, window: Window) -> Query:
    del connection
    heard = select(REPORTS.c.case_id).where(REPORTS.c.audio == "kept")
    query = select(CASES.c.id).where(CASES.c.policy == REPORTED, *within(CASES.c.created_at, window))
    return query.where(CASES.c.id.in_(upheld(window.until)), CASES.c.id.in_(heard))


def _appeals(connection: Connection, window: Window) -> Query:
    del connection
    return select(APPEALS.c.case_id).where(*within(APPEALS.c.created_at, window))


def _reversed_appeals(connection: Connection, window: Window) -> Query:
    second = aliased(DECISIONS)
    kept = or_(second.c.undone.is_(None), second.c.undone >= window.until)
    query = _appeals(connection, window).join(second, second.c.id == APPEALS.c.resolution)
    return query.where(second.c.verdict == "dismiss", second.c.at < window.until, kept)


def _pairs(chosen: Callable[[Pair], bool]) -> Callable[[Connection, Window], Query]:
    def found(connection: Connection, window: Window) -> Query:
        pairs = figures.pairs(connection, window.since, window.until)
        return select(CASES.c.id).where(CASES.c.id.in_([pair.original for pair in pairs if chosen(pair)]))

    return found


LISTS: Mapping[str, Callable[[Connection, Window], Query]] = {
    "flagged": _flagged,
    "undecided": _undecided,
    "open": _open,
    "ordered": _ordered,
    "caught": _caught,
    "decided": _decided,
    "audits": _audits,
    "missed": _missed,
    "actions": _actions,
    "wrong_actions": _wrong_actions,
    "reports": _reports,
    "upheld_reports": _upheld_reports,
    "appeals": _appeals,
    "reversed_appeals": _reversed_appeals,
    "second_opinions": _pairs(lambda _: True),
    "differing_opinions": _pairs(lambda pair: not pair.agrees),
}
"""The queries for case ids, by `Figure.cases`."""
