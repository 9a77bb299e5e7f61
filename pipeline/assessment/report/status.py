"""What a report still lacks, as lines of text."""

from collections.abc import Iterator
from typing import Any

from pipeline.assessment.report.content import AssessmentReport
from pipeline.assessment.report.numbers import Language, moment
from pipeline.assessment.report.texts import signal, texts


def lines(report: AssessmentReport, language: Language) -> Iterator[str]:
    """Yield one line for each fact: first the report itself, then what it lacks."""
    words = texts(language)["status"]
    state = texts(language)["state"]["final" if report.final else "draft"]
    yield words["head"].format(id=report.id, state=state, title=report.title)
    yield words["window"].format(since=moment(report.window.since), until=moment(report.window.until))
    filled = sum(bool(answer.text.strip()) for answer in report.answers)
    yield words["answers"].format(n=filled, m=len(report.answers), empty=len(report.missing))
    for answer in report.missing:
        yield words["empty"].format(field=answer.field, part=answer.part, name=getattr(answer.name, language))
    yield from _figures(report, language, words)
    undecided = [each for each in report.triggers if each.state == "suggested"]
    yield words["triggers"].format(n=len(undecided))
    for each in undecided:
        yield words["trigger"].format(id=each.id, clause=each.clause, signal=signal(each.signal, language))
    open_ones = [each for each in report.hazards if each.state != "closed"]
    yield words["hazards"].format(n=len(open_ones), m=len(report.hazards))
    for hazard in open_ones:
        hazard_state = texts(language)["hazard_states"][hazard.state]
        yield words["hazard"].format(id=hazard.id, state=hazard_state, title=hazard.title)


def _figures(report: AssessmentReport, language: Language, words: dict[str, Any]) -> Iterator[str]:
    measured = {each.indicator for each in (*report.figures, *report.drill_figures) if each.value is not None}
    missing = [each for each in report.definitions if each.id not in measured]
    why = texts(language)["unmeasured"]
    reasons = {each.indicator: why[each.unmeasured] for each in reversed(report.figures)}
    yield words["measured"].format(n=len(report.definitions) - len(missing), m=len(report.definitions))
    for each in missing:
        reason = reasons.get(each.id, why["no_data"])
        yield words["unmeasured"].format(id=each.id, name=getattr(each.name, language), reason=reason)
    missed = [each for each in report.figures if each.met is False]
    yield words["missed"].format(n=len(missed))
    for figure in missed:
        yield words["limit"].format(name=f"{figure.indicator}.{figure.key}", value=figure.value, limit=figure.threshold)
