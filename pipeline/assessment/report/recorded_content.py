"""What people recorded, as content of a report: answers, triggers, hazards, drills.

Figures end with the window. But people decide triggers, work off hazards and hold drills until the report is final, so
these lists end with the report.
"""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from sqlalchemy import Connection, Row, func, or_, select

from pipeline.assessment import drills as drilling
from pipeline.assessment import forms
from pipeline.assessment.report.content import (
    DrillCount,
    DrillTime,
    Entries,
    Names,
    ReportedAnswer,
    ReportedDrill,
    ReportedHazard,
    ReportedStep,
    ReportedTrigger,
    Restrictions,
)
from pipeline.review.quality.figure import Window
from pipeline.review.quality.snapshot import UPHOLDS
from pipeline.review.tables.assessment_tables import HAZARD_STEPS, HAZARDS, REGISTER, TRIGGERS


def triggers(connection: Connection, window: Window) -> tuple[ReportedTrigger, ...]:
    """Return the triggers that were found or decided since the window began, or that wait, oldest first."""
    recent = or_(TRIGGERS.c.found_at >= window.since, TRIGGERS.c.decided_at >= window.since)
    kept = or_(recent, TRIGGERS.c.state == "suggested")
    found = select(TRIGGERS).where(kept).order_by(TRIGGERS.c.found_at, TRIGGERS.c.id)
    return tuple(
        ReportedTrigger(
            id=row.id,
            clause=row.clause,
            signal=row.signal,
            detail=row.detail,
            found_at=row.found_at,
            state=row.state,
            decided_by=row.decided_by or "",
            decided_at=row.decided_at,
            reason=row.reason,
            due=row.due,
        )
        for row in connection.execute(found)
    )


def hazards(connection: Connection, window: Window) -> tuple[ReportedHazard, ...]:
    """Return the hazards that were open at any time since the window began, with their history."""
    changed = select(HAZARD_STEPS.c.hazard).where(HAZARD_STEPS.c.at >= window.since)
    kept = or_(HAZARDS.c.state != "closed", HAZARDS.c.found_at >= window.since, HAZARDS.c.id.in_(changed))
    of_each = select(HAZARD_STEPS).order_by(HAZARD_STEPS.c.hazard, HAZARD_STEPS.c.number)
    # One query for all steps, not one for each hazard. Its order brings the steps of a hazard together for groupby.
    grouped = groupby(connection.execute(of_each), key=lambda row: row.hazard)
    steps = {hazard: tuple(map(_step, rows)) for hazard, rows in grouped}
    rows = connection.execute(select(HAZARDS).where(kept).order_by(HAZARDS.c.found_at, HAZARDS.c.id))
    return tuple(ReportedHazard(**row._asdict(), steps=steps.get(row.id, ())) for row in rows)


def drills(connection: Connection, window: Window) -> tuple[ReportedDrill, ...]:
    """Return the drills that began since the window did, oldest first, with their results by language and label."""
    held = [each for each in reversed(drilling.all_drills(connection)) if each.started_at >= window.since]
    return tuple(_drill(connection, each) for each in held)


def register(connection: Connection, window: Window) -> tuple[Entries, ...]:
    """Return the numbers of entries that were opened in the window, by kind. Their texts are often confidential."""
    kept = (REGISTER.c.opened_at >= window.since, REGISTER.c.opened_at < window.until)
    ended = func.count(REGISTER.c.closed_at)
    query = select(REGISTER.c.kind, func.count(), ended).where(*kept).group_by(REGISTER.c.kind)
    rows = sorted(tuple(row) for row in connection.execute(query, execution_options={"purpose": "register"}))
    return tuple(Entries(kind=kind, n=n, open=n - closed) for kind, n, closed in rows)


def answers(connection: Connection, assessment: str) -> tuple[ReportedAnswer, ...]:
    """Return the fields of the report that apply, with their newest answers."""
    return tuple(map(_answer, forms.answers(connection, assessment)))


def restrictions(connection: Connection, window: Window) -> tuple[Restrictions, ...]:
    """Return the numbers of upheld decisions of the window that stand, by label, source and action."""
    # It reads the snapshot of the window, which `measure` has taken before.
    label, source = func.coalesce(UPHOLDS.c.corrected, UPHOLDS.c.label), UPHOLDS.c.kind
    action = func.coalesce(UPHOLDS.c.action, "")
    kept = UPHOLDS.c.at >= window.since
    query = select(label, source, action, func.count()).where(kept).group_by(label, source, action)
    rows = sorted(tuple(row) for row in connection.execute(query, execution_options={"purpose": "restrictions"}))
    return tuple(Restrictions(label=name, found_by=found, action=done, n=n) for name, found, done, n in rows)


def _answer(given: forms.GivenAnswer) -> ReportedAnswer:
    field = given.field
    return ReportedAnswer(
        field=given.id,
        part=field.part,
        name=Names(zh=field.zh, en=field.en),
        required=field.required,
        text=given.text,
        shown=Names(zh=given.shown("zh"), en=given.shown("en")),
        author=given.author,
        at=given.at,
    )


def _step(row: Row[tuple[object, ...]]) -> ReportedStep:
    return ReportedStep(at=row.at, author=row.author, state=row.state, note=row.note, evidence=_evidence(row.evidence))


def _evidence(written: object) -> tuple[str, ...]:
    """Return each proof as one line, whether it is written as text or as a mapping."""
    proofs: Sequence[object] = written if isinstance(written, list) else [written] if written else []
    return tuple(" ".join(_parts(proof)) for proof in proofs)


def _parts(proof: object) -> list[str]:
    """Return the parts of a proof. Of a file, the name is kept and the folder is not."""
    if not isinstance(proof, dict):
        return [str(proof)]
    # A folder may name a person or a customer, and the report goes to an authority.
    return [Path(str(value)).name if key == "path" else str(value) for key, value in proof.items()]


def _drill(connection: Connection, held: drilling.Drill) -> ReportedDrill:
    found = drilling.results(connection, held.id)
    times = drilling.times(found).items()
    return ReportedDrill(
        id=held.id,
        kind=held.kind,
        started_at=held.started_at,
        ended_at=held.ended_at,
        counts=tuple(DrillCount(**cell._asdict()) for cell in drilling.cells(found)),
        times=tuple(DrillTime(step=step, **time._asdict()) for step, time in times if time.n),
    )
