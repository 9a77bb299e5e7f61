"""How right the machine and the moderators are: I-09 to I-15, and I-26.

Shares of moderators' decisions have Wilson's interval. The methods of estimated figures are in
`pipeline/review/quality/audits.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, case, exists, func, or_, select

from pipeline.assessment.catalogue import figure
from pipeline.assessment.options import DAY_SECONDS, Options
from pipeline.review.cases.case_values import WHOLE_ROOM
from pipeline.review.quality import agreement_figures, audits
from pipeline.review.quality.agreement_figures import Pair
from pipeline.review.quality.audits import DIMENSIONS, Judged, Reviewed, within
from pipeline.review.quality.figure import Caveat, Figure, Unmeasured, Window
from pipeline.review.quality.snapshot import FLAGGED, LABEL, REAL, SNAPSHOT, UPHELD, UPHOLDS, in_force
from pipeline.review.quality.statistics import Estimate, Share
from pipeline.review.tables.case_tables import APPEALS, COPIES, REPORTS
from pipeline.review.tables.core import CASES, DECISIONS, FLAGS


def parts(rows: Sequence[Row[Any]], *dimensions: str) -> Iterator[tuple[dict[str, str], Sequence[Row[Any]]]]:
    """Yield all rows, and then the rows of each value of each dimension, in alphabetical order.

    A dimension is the name of a column. Rows with an empty value are in no part.
    """
    yield {}, rows
    for name in dimensions:
        for value in sorted({getattr(row, name) for row in rows} - {""}):
            yield {name: value}, [row for row in rows if getattr(row, name) == value]


Split = Mapping[str, str]

PARTS = ("label", "language", "room_type", "policy", "source")
NEAR = 60.0
"""Seconds between a report's speech and a flag within which the machine counts as having flagged the speech."""
LONGEST = 60.0
"""No utterance lasts longer, in seconds. With this bound, the database can use its index of the starts of flags."""
AGAIN = 30 * DAY_SECONDS
"""Longest time between two actions on a speaker that makes a repeat offender."""


def confirmation(connection: Connection, window: Window, options: Options) -> Iterator[Figure]:
    """I-09, for the flagged cases that were decided in the window."""
    del options
    for part, rows in parts(_confirmed(connection, window), *PARTS):
        hits = sum(row.n for row in rows if row.verdict == "uphold")
        yield share("I-09", "share", Share(hits, sum(row.n for row in rows)), part)


def precision(connection: Connection, window: Window, options: Options) -> Iterator[Figure]:
    """I-10, from the blind second opinions. Without any, from the decisions, if all flagged cases are decided."""
    del options
    reviewed = audits.read_reviewed(connection, window)
    # One method for all parts: else a part without opinions would be compared with one that has some.
    drawn = any(one.verdict for one in reviewed.opinions)
    yield from _precise(reviewed, {}, drawn)
    for name in PARTS:
        for value in reviewed.values(name):
            yield from _precise(reviewed.part(name, value), {name: value}, drawn)


def wrong_actions(connection: Connection, window: Window, options: Options) -> Iterator[Figure]:
    """I-11, for the actions of the window."""
    del options
    for part, rows in parts(_actions(connection, window), *PARTS):
        hits, n = sum(row.reversed for row in rows), sum(row.n for row in rows)
        yield share("I-11", "share", Share(hits, n), part)


def audited(connection: Connection, window: Window, options: Options) -> Iterator[Figure]:
    """I-12 and I-13 (in seconds of speech), from the audits of passed speech and the decisions on flagged speech."""
    del options
    judged = audits.read_judged(connection, window)
    for part, speech in _speech(judged):
        yield from _recall(speech, part)
    for label in judged.labels():
        yield from _recall(judged, {"label": label}, label)
    for part, speech in _speech(judged):
        yield _prevalence(speech, part)
    for label in judged.labels():
        yield _prevalence(judged, {"label": label}, label)


def reported(connection: Connection, window: Window, options: Options) -> Iterator[Figure]:
    """I-14, for the upheld reports on speech that the pipeline heard. Reports on the same minutes count once."""
    del options
    for part, rows in parts(_reported(connection, window), "label"):
        yield share("I-14", "share", Share(sum(row.flagged for row in rows), sum(row.n for row in rows)), part)


def agreement(connection: Connection, window: Window, options: Options) -> Iterator[Figure]:
    """I-15, for the second opinions that were drawn in the window, and the appeals that were settled in it."""
    del options
    pairs = agreement_figures.pairs(connection, window.since, window.until)
    settled = _settled(connection, window)
    labels = ({pair.label for pair in pairs} | {row.label for row in settled}) - {""}
    for label in ("", *sorted(labels)):
        part = {"label": label} if label else {}
        chosen = [pair for pair in pairs if label in {"", pair.label}]
        yield from _agreement(chosen, part)
        reversed_ = {row.case_id: row.verdict == "dismiss" for row in settled if label in {"", row.label}}
        yield share("I-15", "reversed", _reversed(chosen, reversed_), part)


def repeat_offenders(connection: Connection, window: Window, options: Options) -> Iterator[Figure]:
    """I-26, for the speakers with an action in the window. Earlier actions count, too."""
    del options
    found = _offenders(connection, window)
    yield figure("I-26", "share", found.hits / found.n if found.n else None, found.n)


def share(indicator: str, key: str, found: Share, part: Split | None = None, **more: Any) -> Figure:
    """Return the figure of a share, with Wilson's interval. A share of nothing has no value."""
    value, interval = (found.value, found.interval) if found.n else (None, None)
    return figure(indicator, key, value, found.n, part, interval=interval, **more)


def _precise(reviewed: Reviewed, part: Split, drawn: bool) -> Iterator[Figure]:
    estimate, n = (_from_opinions if drawn else _from_decisions)(reviewed)
    reason: Unmeasured = "needs_opinions" if reviewed.flagged or drawn else "no_data"
    value, interval = (estimate.value, estimate.interval) if estimate else (None, None)
    yield figure("I-10", "share", value, n, part, reason, interval=interval if drawn else None)
    opposite = None if value is None else 1 - value
    turned = (1 - interval[1], 1 - interval[0]) if interval and drawn else None  # a full count has no interval
    yield figure("I-10", "false_alarms", opposite, n, part, reason, interval=turned)


def _from_opinions(reviewed: Reviewed) -> tuple[Estimate | None, int]:
    return audits.precision(reviewed), sum(one.count for one in reviewed.opinions if one.verdict)


def _from_decisions(reviewed: Reviewed) -> tuple[Estimate | None, int]:
    """Return the full count of the decisions; no estimate if a case is not decided."""
    n = sum(one.count for one in reviewed.flagged)
    # Moderators decide the worst cases first, so the decided ones alone are no fair sample.
    if not n or any(one.verdict is None for one in reviewed.flagged):
        return None, n
    value = sum(one.count for one in reviewed.flagged if one.violating) / n
    return Estimate(value, (value, value)), n


def _speech(judged: Judged) -> Iterator[tuple[dict[str, str], Judged]]:
    yield {}, judged
    for name in DIMENSIONS:
        for value in judged.values(name):
            yield {name: value}, judged.part(name, value)


def _recall(judged: Judged, part: Split, label: str = "") -> Iterator[Figure]:
    found = audits.recall(judged, label)
    known = found is not None and found.caught.value + found.missed.value > 0  # else recall would be 0 / 0
    value, interval, n = (found.value, found.interval, found.decided) if found and known else (None, None, 0)
    reason: Unmeasured = "no_data" if found else "needs_audits"
    more: dict[str, Any] = {"caveat": _caveat(judged)} if interval else {}
    least = found is not None and found.at_least
    if interval and least:
        value = interval[0]  # 100 % would say that nothing was missed, but the audits only found nothing
    bounds = ("at_least", "at_most") if least else ("", "")
    yield figure("I-12", "share", value, n, part, reason, interval=interval, bound=bounds[0], **more)
    missed = None if value is None else 1 - value
    turned = (1 - interval[1], 1 - interval[0]) if interval else None
    yield figure("I-12", "missed", missed, n, part, reason, interval=turned, bound=bounds[1], **more)
    if not label:
        audited = sum(one.count for one in judged.audits)
        yield figure("I-12", "represented", audits.represented(judged), audited, part)
    if not label and not part:
        yield figure("I-12", "needed", audits.needed(judged), sum(one.count for one in judged.passed))


def _caveat(judged: Judged) -> Caveat:
    return "" if judged.corrected else "reviewed_once"


def _prevalence(judged: Judged, part: Split, label: str = "") -> Figure:
    found = audits.prevalence(judged, label)
    n = sum(one.count for one in judged.audits if one.verdict)
    value, interval = (found.value, found.interval) if found else (None, None)
    more = {"caveat": _caveat(judged)} if found else {}
    return figure("I-13", "share", value, n, part, "needs_audits", interval=interval, **more)


def _agreement(pairs: Sequence[Pair], part: Split) -> Iterator[Figure]:
    found = agreement_figures.agreement(pairs)
    yield share("I-15", "share", found.share, part)
    yield figure("I-15", "kappa", found.kappa.value, found.kappa.n, part, interval=found.kappa.interval)


def _reversed(pairs: Sequence[Pair], appealed: Mapping[str, bool]) -> Share:
    """Return the share of reversed decisions, by case. `appealed` tells whether an appeal reversed the case."""
    again = {pair.original: pair.settled != pair.first.verdict for pair in pairs if pair.settled}
    both = {case: again.get(case, False) or appealed.get(case, False) for case in {*again, *appealed}}
    return Share(sum(both.values()), len(both))


def _confirmed(connection: Connection, window: Window) -> Sequence[Row[Any]]:
    """Return the numbers of flagged cases with a decision in the window, by verdict and part."""
    names = [SNAPSHOT.c[name] for name in (*PARTS, "verdict")]
    query: Select[Any] = select(*names, func.count().label("n")).where(FLAGGED, SNAPSHOT.c.last_at >= window.since)
    return connection.execute(query.group_by(*names)).all()


def _actions(connection: Connection, window: Window) -> Sequence[Row[Any]]:
    """Return the numbers of actions, and of actions whose case was dismissed later, by part."""
    # The case's last verdict, if it came after the action: an appeal or a correction.
    undone = and_(UPHOLDS.c.verdict == "dismiss", UPHOLDS.c.last_at > UPHOLDS.c.at)
    names = [UPHOLDS.c[name] for name in PARTS]
    query: Select[Any] = select(*names, func.count().label("n"))
    query = query.add_columns(func.sum(case((undone, 1), else_=0)).label("reversed"))
    return connection.execute(query.where(*actions(window)).group_by(*names)).all()


def actions(window: Window) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions on UPHOLDS for the actions that moderators ordered since the window began."""
    return UPHOLDS.c.action.is_not(None), UPHOLDS.c.at >= window.since


def _reported(connection: Connection, window: Window) -> Sequence[Row[Any]]:
    """Return the numbers of upheld report cases, and of the ones with flagged speech, by label."""
    heard = select(REPORTS.c.case_id).where(REPORTS.c.audio == "kept")  # the pipeline cannot flag what it never heard
    label = LABEL.label("label")
    query = select(label, func.count().label("n"), func.sum(case((caught_near(), 1), else_=0)).label("flagged"))
    query = query.join_from(SNAPSHOT, CASES, CASES.c.id == SNAPSHOT.c.id)
    query = query.where(SNAPSHOT.c.kind == "report", UPHELD, SNAPSHOT.c.id.in_(heard))
    return connection.execute(query.where(*within(SNAPSHOT.c.created_at, window)).group_by(label)).all()


def caught_near() -> ColumnElement[bool]:
    """Return the condition that the machine flagged the speech of a report case, or speech within NEAR of it."""
    own = or_(CASES.c.speaker == WHOLE_ROOM, FLAGS.c.speaker == CASES.c.speaker)
    early, late = CASES.c.start - NEAR, CASES.c.end + NEAR
    near = (FLAGS.c.start <= late, FLAGS.c.start >= early - LONGEST, FLAGS.c.end >= early)
    machine = (FLAGS.c.suggestion != "pass", FLAGS.c.drill == "", FLAGS.c.case_id.not_in(COPIES))
    return exists().where(FLAGS.c.room == CASES.c.room, own, *near, *machine)


def _settled(connection: Connection, window: Window) -> Sequence[Row[Any]]:
    """Return the appeals that were settled in the window, with the new verdict and the case's label."""
    query: Select[Any] = select(APPEALS.c.case_id, DECISIONS.c.verdict, CASES.c.label)
    query = query.join_from(APPEALS, DECISIONS, DECISIONS.c.id == APPEALS.c.resolution)
    query = query.join(CASES, CASES.c.id == APPEALS.c.case_id)
    return connection.execute(query.where(DECISIONS.c.at >= window.since, *in_force(window.until), REAL)).all()


def _offenders(connection: Connection, window: Window) -> Share:
    """Return the share of speakers who had another upheld action up to AGAIN before one in the window."""
    speaker, at = UPHOLDS.c.speaker, UPHOLDS.c.at
    # Window function: the speaker's action before this one. The id decides between actions of the same time.
    before = func.lag(at).over(partition_by=speaker, order_by=(at, UPHOLDS.c.decision))
    query = select(speaker, at, before.label("before")).where(UPHOLDS.c.verdict == "uphold")
    each = query.where(*actions(Window(window.since - AGAIN, window.until))).subquery().c
    again = func.max(case((each.at - each.before <= AGAIN, 1), else_=0)).label("again")
    speakers = select(again).where(each.at >= window.since).group_by(each.speaker).subquery()
    sums = (func.coalesce(func.sum(speakers.c.again), 0), func.count(speakers.c.again))
    hits, n = connection.execute(select(*sums)).one()
    return Share(int(hits), int(n))
