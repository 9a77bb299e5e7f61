"""The first page of a report: the conclusion, the main figures, open hazards, and indicators that are not measured."""

from msgspec import Struct

from pipeline.assessment.report.content import AssessmentReport, ReportedHazard
from pipeline.assessment.report.figure_rows import ReportRow, ReportRows
from pipeline.assessment.report.wording import Language

SHOWN = {
    "I-02": "share",
    "I-03": "share",
    "I-06": "in_time",
    "I-07": "p95",
    "I-10": "share",
    "I-12": "share",
    "I-15": "kappa",
    "I-19": "in_time",
    "I-20": "reversed",
    "I-23": "share",
}
"""One value of each indicator that stands for coverage, speed, right verdicts, users' rights or evidence."""
CONCLUSION = "conclusion"
"""The field with the assessor's conclusion."""
LENGTH = 200
"""Characters of the conclusion. With more, the summary would leave its page; part 3 has the whole text."""
HAZARDS = 4
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
    """Indicators without a value for all speech, by id and name."""


def summary(report: AssessmentReport, language: Language) -> Summary:
    """Return the first page of a report in one language."""
    said = next((getattr(each.shown, language).strip() for each in report.answers if each.field == CONCLUSION), "")
    whole = [each for each in (*report.figures, *report.drill_figures) if not each.split]
    measured = {each.indicator for each in whole if each.value is not None}
    chosen = [each for each in whole if SHOWN.get(each.indicator) == each.key]
    return Summary(
        conclusion=said[:LENGTH],
        whole=len(said) <= LENGTH,
        rows=tuple(ReportRows(report, language).whole(chosen, SHOWN)),
        hazards=report.open_hazards[:HAZARDS],
        more=len(report.open_hazards[HAZARDS:]),
        unmeasured=tuple(
            f"{each.id} {getattr(each.name, language)}" for each in report.definitions if each.id not in measured
        ),
    )
