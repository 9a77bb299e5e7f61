"""The public transparency page. It has no ids of cases, no hand-written texts and no names."""

from markupsafe import Markup

from pipeline.assessment.report import html
from pipeline.assessment.report.content import AssessmentReport
from pipeline.assessment.report.counts import restriction_table
from pipeline.assessment.report.numbers import Language
from pipeline.assessment.report.rows import ReportRows
from pipeline.assessment.report.texts import texts

SHOWN = ("I-02", "I-03", "I-05", "I-06", "I-07", "I-10", "I-12", "I-13", "I-15", "I-19", "I-20")
"""Indicators of public interest."""


def render(report: AssessmentReport, language: Language) -> str:
    """Return the page in one language."""
    made = ReportRows(report, language)
    return html.render_with(
        "transparency.html",
        {
            "report": report,
            "language": language,
            "t": texts(language),
            "css": Markup((html.TEMPLATES / "report.css").read_text("utf-8")),  # noqa: S704 - our own file
            "rows": made.whole(report.figures, SHOWN),
            "part_tables": made.parts(report.figures, ("I-10", "I-12")),
            "restrictions": restriction_table(report, language),
            "definitions": [each for each in report.definitions if each.id in SHOWN],
            "text": lambda names: getattr(names, language),
        },
    )
