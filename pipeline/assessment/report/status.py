"""What a report still lacks, as lines of text."""

from collections.abc import Iterator

from pipeline.assessment.report.content import AssessmentReport
from pipeline.assessment.report.numbers import moment
from pipeline.assessment.report.texts import texts


def lines(report: AssessmentReport) -> Iterator[str]:
    """Yield one line for each fact: first the report itself, then what it lacks."""
    state = "final" if report.final else "draft"
    yield f"Assessment {report.id} ({state}): {report.title}"
    yield f"Window {moment(report.window.since)} to {moment(report.window.until)} UTC"
    filled = sum(bool(answer.text.strip()) for answer in report.answers)
    yield f"Answers: {filled} of {len(report.answers)}, {len(report.missing)} required ones are empty"
    yield from (f"  empty: {answer.field} ({answer.part}, {answer.name.en})" for answer in report.missing)
    yield from _figures(report)
    undecided = [each for each in report.triggers if each.state == "suggested"]
    yield f"Triggers to decide: {len(undecided)}"
    yield from (f"  {each.id} (art. {each.clause}): {each.signal}" for each in undecided)
    open_ones = [each for each in report.hazards if each.state != "closed"]
    yield f"Open hazards: {len(open_ones)} of {len(report.hazards)}"
    yield from (f"  {each.id} ({each.state}): {each.title}" for each in open_ones)


def _figures(report: AssessmentReport) -> Iterator[str]:
    measured = {each.indicator for each in (*report.figures, *report.drill_figures) if each.value is not None}
    missing = [each for each in report.definitions if each.id not in measured]
    reasons = {each.indicator: texts("en")["unmeasured"][each.unmeasured] for each in reversed(report.figures)}
    yield f"Indicators: {len(report.definitions) - len(missing)} of {len(report.definitions)} are measured"
    yield from (f"  not measured: {each.id} {each.name.en} ({reasons.get(each.id, 'no figure')})" for each in missing)
    missed = [each for each in report.figures if each.met is False]
    yield f"Limits not kept: {len(missed)}"
    yield from (f"  {each.indicator}.{each.key}: {each.value:g}, limit {each.threshold:g}" for each in missed)
