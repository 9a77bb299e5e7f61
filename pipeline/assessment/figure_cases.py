"""The cases behind a figure, for drill-down. `Figure.cases` names a list of this file.

A list has the cases that the figure counts, with the verdicts at the end of the window.
"""

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import ColumnElement, Connection, exists, select

from pipeline.judge.labels import SEVERITIES
from pipeline.review.cases.case_values import REPORTED
from pipeline.review.quality import agreement_figures
from pipeline.review.quality.agreement_figures import FLAGGED, Pair
from pipeline.review.quality.audits import within
from pipeline.review.quality.figure import Figure, Window
from pipeline.review.quality.snapshot import REAL, in_force, label_at, verdict_at
from pipeline.review.tables.case_tables import APPEALS, CHECKS, COPIES, REPORTS
from pipeline.review.tables.core import CASES, DECISIONS

MOST = 200
"""The most cases in a list."""

Conditions = Sequence[ColumnElement[bool]]
CaseList = Callable[[Connection, Window], Conditions]

NO_COPY = CASES.c.id.not_in(COPIES)
"""Without the copies for second opinions: a copy repeats another case."""
PARTS = ("label", "language", "policy", "room_type", "source")
CORRECTED = ("I-12", "I-13", "I-14")
"""Indicators that count a case by its label after corrections. An audit has no other."""


def listed(connection: Connection, figure: Figure, window: Window, limit: int = MOST) -> list[str]:
    """Return the ids of the cases behind a figure, newest first, at most `limit`. A figure without a list has none.

    Of the split, the label, language, policy, type of room, source and severity of the case narrow the list.
    """
    if not figure.cases:
        return []
    query = select(CASES.c.id).where(REAL, *_narrowed(figure, window.until), *LISTS[figure.cases](connection, window))
    return list(connection.scalars(query.order_by(CASES.c.created_at.desc(), CASES.c.id).limit(limit)))


def _narrowed(figure: Figure, until: float) -> Conditions:
    columns: dict[str, ColumnElement[str]] = {name: CASES.c[name] for name in PARTS}
    if figure.indicator in CORRECTED:
        columns["label"] = label_at(until)
    conditions = [column == figure.split[name] for name, column in columns.items() if name in figure.split]
    if "severity" in figure.split:
        conditions.append(CASES.c.severity == SEVERITIES.index(figure.split["severity"]))
    return conditions


def _flagged(connection: Connection, window: Window) -> Conditions:
    del connection  # all lists have one form, and only `_pairs` asks the store itself
    return *FLAGGED, *within(CASES.c.created_at, window)


def _undecided(connection: Connection, window: Window) -> Conditions:
    return *_flagged(connection, window), verdict_at(window.until).is_(None)


def _open(connection: Connection, window: Window) -> Conditions:
    del connection
    return CASES.c.created_at < window.until, verdict_at(window.until).is_(None), NO_COPY


def _ordered(connection: Connection, window: Window) -> Conditions:
    return *_flagged(connection, window), _decision(window.until, DECISIONS.c.action.is_not(None))


def _caught(connection: Connection, window: Window) -> Conditions:
    return *_flagged(connection, window), verdict_at(window.until) == "uphold"


def _decided(connection: Connection, window: Window) -> Conditions:
    del connection
    return *FLAGGED, _decision(window.until, DECISIONS.c.at >= window.since)


def _audits(connection: Connection, window: Window) -> Conditions:
    del connection
    return (_exists(CHECKS.c.case_id, CHECKS.c.kind == "audit", *within(CHECKS.c.drawn_at, window)),)


def _missed(connection: Connection, window: Window) -> Conditions:
    third = (CHECKS.c.kind == "third", DECISIONS.c.case_id == CHECKS.c.case_id, *in_force(window.until))
    overruled = _exists(CHECKS.c.original, *third, DECISIONS.c.verdict == "dismiss")  # two of three people dismissed it
    return *_audits(connection, window), verdict_at(window.until) == "uphold", ~overruled


def _actions(connection: Connection, window: Window) -> Conditions:
    del connection
    return NO_COPY, _decision(window.until, DECISIONS.c.action.is_not(None), DECISIONS.c.at >= window.since)


def _wrong_actions(connection: Connection, window: Window) -> Conditions:
    return *_actions(connection, window), verdict_at(window.until) == "dismiss"


def _reports(connection: Connection, window: Window) -> Conditions:
    del connection
    return (_exists(REPORTS.c.case_id, *within(REPORTS.c.created_at, window)),)


def _upheld_reports(connection: Connection, window: Window) -> Conditions:
    del connection
    heard = _exists(REPORTS.c.case_id, REPORTS.c.audio == "kept")  # as I-14: the machine could have flagged it
    conditions = (CASES.c.policy == REPORTED, *within(CASES.c.created_at, window))
    return *conditions, verdict_at(window.until) == "uphold", heard


def _appeals(connection: Connection, window: Window) -> Conditions:
    del connection
    return (_exists(APPEALS.c.case_id, *within(APPEALS.c.created_at, window)),)


def _reversed_appeals(connection: Connection, window: Window) -> Conditions:
    del connection
    reverses = (DECISIONS.c.id == APPEALS.c.resolution, DECISIONS.c.verdict == "dismiss", *in_force(window.until))
    return (_exists(APPEALS.c.case_id, *within(APPEALS.c.created_at, window), *reverses),)


def _pairs(chosen: Callable[[Pair], bool]) -> CaseList:
    def found(connection: Connection, window: Window) -> Conditions:
        pairs = agreement_figures.pairs(connection, window.since, window.until)
        return (CASES.c.id.in_([pair.original for pair in pairs if chosen(pair)]),)

    return found


def _decision(until: float, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return the condition that the case has a standing decision of this kind."""
    return _exists(DECISIONS.c.case_id, *in_force(until), *conditions)


def _exists(case_id: ColumnElement[str], *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(case_id == CASES.c.id, *conditions).correlate(CASES)


LISTS: Mapping[str, CaseList] = {
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
"""The conditions on CASES, by `Figure.cases`."""
