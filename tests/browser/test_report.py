"""The report in a browser: axe finds no violations, and it fits a telephone."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from pipeline.assessment.report import html
from pipeline.assessment.report.wording import LANGUAGES, Language
from tests.browser.test_look import violations
from tests.pipeline.assessment.report import samples


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_report_is_accessible_and_fits_a_telephone(browser: Browser, tmp_path: Path, language: Language) -> None:
    report = samples.final(drills=(samples.drill(), samples.stop_drill()))
    pages = {"report": html.render(report, language), "public": html.transparency_page(report, language)}
    page = browser.new_page(viewport={"width": 390, "height": 844})
    for name, made in pages.items():
        file = tmp_path / f"{name}.html"
        file.write_text(made, "utf-8")
        page.goto(file.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
        assert violations(page) == [], name
    page.close()
