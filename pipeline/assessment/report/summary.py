"""The first page of a report: the conclusion, the figures that matter most, open hazards, and what is not measured."""

from collections.abc import Iterator

from msgspec import Struct

from pipeline.assessment.report.content import AssessmentReport, ReportedHazard
from pipeline.assessment.report.figure_rows import ReportRow, ReportRows
from pipeline.assessment.report.wording import Language
from pipeline.review.quality.figure import Figure

SHOWN = ("I-02", "I-03", "I-06", "I-07", "I-10", "I-12", "I-15", "I-19", "I-20", "I-23")
"""Indicators that stand for coverage, speed, right verdicts, users' rights and evidence."""
CONCLUSION = "conclusion"
"""The field with the assessor's conclusion."""
LENGTH = 240
"""Characters of the conclusion. With more, the summary would leave its page; part 3 has the whole text."""
HAZARDS = 5
"""Hazards that the summary names. It counts the others."""


class Summary(Struct, frozen=True, kw_only=True):
    """What the first page says. `conclusion` is empty until somebody fills it in."""

    conclusion: str
    whole: bool
    """Whether `conclusion` is the whole text."""
    rows: tuple[ReportRow, ...]
    hazards: tuple[ReportedHazard, ...]
    more: int
    """Open hazards that are not among `hazards`."""
    unmeasured: tuple[str, ...]
    """Indicators without any value, by id and name."""


def summary(report: AssessmentReport, language: Language) -> Summary:
    """Return the first page of a report in one language."""
    said = next((getattr(each.shown, language).strip() for each in report.answers if each.field == CONCLUSION), "")
    made = ReportRows(report, language)
    measured = {each.indicator for each in (*report.figures, *report.drill_figures) if each.value is not None}
    return Summary(
        conclusion=said[:LENGTH],
        whole=len(said) <= LENGTH,
        rows=tuple(made.whole(tuple(_chosen(report)), SHOWN)),
        hazards=report.open_hazards[:HAZARDS],
        more=len(report.open_hazards[HAZARDS:]),
        unmeasured=tuple(
            f"{each.id} {getattr(each.name, language)}" for each in report.definitions if each.id not in measured
        ),
    )


def _chosen(report: AssessmentReport) -> Iterator[Figure]:
    """Yield one figure of each indicator: one with the operator's limit, or else the first that is measured."""
    for name in SHOWN:
        if own := [each for each in report.figures if each.indicator == name and not each.split]:
            yield min(own, key=lambda each: (each.threshold is None, each.value is None))
