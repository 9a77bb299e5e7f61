"""A store with speech, decisions and an assessment, for the tests of the report."""

from pathlib import Path

from sqlalchemy import Connection, insert

from pipeline.assessment import attachments, forms
from pipeline.assessment.forms import Field
from pipeline.assessment.report import assessments, frozen_records, gather, recompute
from pipeline.assessment.report.assessments import Assessment
from pipeline.assessment.report.content import AssessmentReport
from pipeline.assessment.report.gather import Measurement
from pipeline.assessment.report.recompute import Recomputed
from pipeline.contract.speech_status import status_of
from pipeline.review.cases.case_values import Choice
from pipeline.review.database import Database
from pipeline.review.quality.figure import Window
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.tables.assessment_tables import DRILL_LINES, DRILLS, HAZARD_STEPS, HAZARDS, TRIGGERS
from pipeline.settings import Settings
from tests.builders import NOON, flag

DAY = 86_400.0
WINDOW = Window(NOON - DAY, NOON + DAY)
NOW = NOON + 2 * DAY
WHY = "The proof is due in March."
"""Why the report is final with an open hazard and a trigger to decide."""
SPEAKER = "speaker-4711"
ROOM = "room-of-secrets"
SAID = "每日 24 小时有人值守"
CHART = "组织架构图.pdf"
"""The name of the attached file."""
WORDS = "words that nobody may read"


def fill(database: Database) -> None:
    """Store flags, passed speech, one decision, a trigger, a hazard and a drill."""
    store = SqlReviewStore(database)
    private = {"speaker": SPEAKER, "room": ROOM, "text": WORDS}
    caught = flag("a", 10, 12, **private)
    passed = flag("b", 100, 103, suggestion="pass", flagged=(), hits=(), language="en", **private)
    lost = status_of(flag("c", 200, 202, **private), "segmented")
    found = store.add([caught, passed, lost], NOON + 12.5)
    store.decide(found[0].case, "ana", Choice(verdict="uphold", label="violence", action="mute"), NOON + 300)
    _record(database)


def _record(database: Database) -> None:
    trigger = {"id": "t", "clause": "3.4", "signal": "spread", "detail": {"n": 2, "cases": ["c-1"]}, "found_at": NOON}
    hazard = {"id": "H-1", "source": "threshold", "about": "I-02.share", "title": "Low coverage", "found_at": NOON}
    step = {"hazard": "H-1", "number": 1, "at": NOON, "author": "ana", "state": "open", "note": "Seen.", "evidence": []}
    drill = {"id": "d", "kind": "detection", "started_by": "ana", "started_at": NOON, "ended_at": NOON + 60}
    line = {"drill": "d", "language": "zh", "label": "abuse", "text": WORDS, "spoken_at": NOON}
    with database.write() as connection:
        connection.execute(insert(TRIGGERS).values(trigger | {"state": "suggested", "reason": ""}))
        connection.execute(insert(HAZARDS).values(hazard | {"owner": "ana", "state": "open"}))
        connection.execute(insert(HAZARD_STEPS).values(step))
        connection.execute(insert(DRILLS).values(drill))
        connection.execute(
            insert(DRILL_LINES).values(line | {"room": "r1", "suggestion": "block", "stored_at": NOON + 2})
        )
        connection.execute(insert(DRILL_LINES).values(line | {"room": "r2"}))


def opened(database: Database, window: Window = WINDOW) -> Assessment:
    with database.write() as connection:
        return assessments.open_one(connection, "Harbour", window, "lea", NOW)


def measured(database: Database, made: Assessment, data_dir: Path) -> Measurement:
    with database.read_in_background() as connection:
        return gather.measure(connection, made.window, Settings(data_dir=data_dir))


def drafted(
    database: Database, made: Assessment, data_dir: Path, measurement: Measurement | None = None
) -> AssessmentReport:
    with database.read() as connection:
        return gather.draft(connection, made, Settings(data_dir=data_dir), measurement)


def found(database: Database, identity: str) -> Assessment:
    with database.read() as connection:
        return assessments.find(connection, identity)


def freeze(database: Database, data_dir: Path) -> Assessment:
    """Open an assessment, attach a file, answer all fields and freeze its report."""
    made = opened(database)
    with database.write() as connection:
        attachments.attach(connection, made.id, "5(1)", CHART, b"%PDF-1.7", "lea", NOW)
    return finish(database, made, data_dir, NOW + 60)


def finish(database: Database, made: Assessment, data_dir: Path, at: float) -> Assessment:
    """Answer all fields and freeze the report."""
    answer(database, made.id)
    measurement = measured(database, made, data_dir)
    report = gather.finish(drafted(database, made, data_dir, measurement), "lea", at, WHY)
    with database.write() as connection:
        assessments.freeze(connection, report, measurement.frozen())
    return found(database, made.id)


def recomputed(connection: Connection, report: AssessmentReport) -> Recomputed:
    frozen = frozen_records.read(connection, report.id)
    compared = frozen_records.compare(connection, report, frozen)
    late = frozen_records.late_tables(connection, report, frozen)
    return recompute.from_store(connection, report, frozen, compared, late)


def answer(database: Database, assessment: str) -> None:
    """Answer all required fields."""
    with database.write() as connection:
        while missing := forms.missing(connection, assessment):
            given = {each.id: _text(each.field) for each in missing}
            forms.answer(connection, assessment, given, "lea", NOW)


def _text(field: Field) -> str:
    if field.choices:
        return next(iter(field.choices))
    return {"date": "2026-01-02", "url": "https://example.com", "phone": "+86 10 1234 5678"}.get(field.type, SAID)
