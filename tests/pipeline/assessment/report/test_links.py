"""Every number of the page and of the PDF links to its definition, and the store's queries give it."""

import re
from pathlib import Path

import pytest

from pipeline.assessment.report import html, pdf
from pipeline.assessment.report.content import AssessmentReport
from pipeline.assessment.report.wording import LANGUAGES, Language
from pipeline.review.database import Database
from tests.pipeline.assessment.report import samples, stored


@pytest.fixture
def report(filled: Database, tmp_path: Path) -> AssessmentReport:
    return stored.drafted(filled, stored.opened(filled), tmp_path)


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_value_links_to_its_definition(language: Language) -> None:
    page = html.render(samples.final(), language)
    values = re.findall(r'<td class="num">(<a[^>]*>)?<b>([^<]*)</b>', page)
    assert len(values) > 25
    assert [text for link, text in values if not re.fullmatch(r'<a class="number" href="#I-\d\d">', link)] == []
    assert all(f'id="{each.id}"' in page for each in samples.final().definitions)


def test_the_queries_are_those_that_the_store_ran(report: AssessmentReport) -> None:
    needing = {each.indicator for each in (*report.figures, *report.drill_figures) if each.n}
    assert needing - report.queries.keys() == set()
    assert {name for name in report.queries if name.startswith("evidence.")} >= {"evidence.cases", "evidence.audit_log"}
    [sql] = report.queries["evidence.cases"]
    assert f"cases.created_at >= {report.window.since}" in sql
    assert "?" not in sql
    assert "audit.hash" not in str(report.queries["reviewers"])


def test_a_query_gives_the_number(report: AssessmentReport, filled: Database) -> None:
    [sql] = report.queries["evidence.cases"]
    counted = next(each.n for item in report.items for each in item.evidence if each.kind == "cases")
    with filled.read() as connection:
        assert len(connection.exec_driver_sql(sql.replace("%", "%%")).all()) == counted


@pytest.mark.full
def test_the_links_are_in_the_pdf() -> None:
    page = html.render(samples.final(), "en")
    wanted = len(re.findall(r'<a [^>]*href="#', page))
    made = pdf.render(page, compressed=False)
    assert len(re.findall(rb"/Subtype /Link", made)) >= wanted
    names = set(re.findall(r' id="([^"]+)"', page))
    used = {each.decode() for each in re.findall(rb"/Dest \(([^)]+)\)", made)}
    assert used
    assert used <= names
