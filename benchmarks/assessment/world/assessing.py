"""The assessment that the operator finishes in the first week. Later signs are compared with it."""

from benchmarks.assessment.facts import BEGIN, DAY, FinishedAssessment
from benchmarks.assessment.world.core import Process, World
from pipeline.assessment import forms
from pipeline.assessment.forms import Field
from pipeline.assessment.report import assessments, gather
from pipeline.review.quality.figure import Window
from pipeline.settings import Settings

WINDOW = Window(BEGIN, BEGIN + 5 * DAY)
FILLED: dict[str, str] = {"date": "2026-04-06", "url": "https://example.com", "phone": "+86 10 1234 5678"}


def assess(world: World, settings: Settings) -> Process:
    """Open an assessment, fill it in, and freeze its report an hour later."""
    made = world.write(assessments.open_one, "two weeks", WINDOW, "lea", world.now)
    world.line()
    with world.database.read() as connection:
        missing = forms.missing(connection, made.id)
    while missing:
        given = {each.id: _text(each.field) for each in missing}
        world.write(forms.answer, made.id, given, "lea", world.now)
        world.line()
        with world.database.read() as connection:
            missing = forms.missing(connection, made.id)
    yield world.now + 3_600
    with world.database.read() as connection:
        report = gather.finish(gather.draft(connection, made, settings), "lea", world.now)
    world.write(assessments.freeze, report)
    world.line()
    recogniser = f"{settings.asr.engine} {settings.asr.model}"
    world.history.finished.append(FinishedAssessment(made.id, WINDOW.until, recogniser))


def _text(field: Field) -> str:
    return next(iter(field.choices)) if field.choices else FILLED.get(field.type, "words")
