"""The first page has what matters, and says what it leaves out."""

import msgspec
import pytest

from pipeline.assessment import catalogue
from pipeline.assessment.report import html
from pipeline.assessment.report.summary import HAZARDS, LENGTH, SHOWN, summary
from pipeline.assessment.report.wording import LANGUAGES, Language, texts
from pipeline.review.quality.figure import Figure
from tests.pipeline.assessment.report import samples


def test_its_figures_are_values_of_the_catalogue() -> None:
    assert {name: key for name, key in SHOWN.items() if key not in catalogue.INDICATORS[name].values} == {}


def test_each_of_its_indicators_has_one_row_with_its_limit() -> None:
    late = Figure(indicator="I-06", key="in_time", unit="share", value=0.8, threshold=0.9, met=False)
    rows = summary(samples.report(figures=(*samples.figures(), late)), "en").rows
    assert [row.indicator for row in rows] == list(SHOWN)
    found = {row.indicator: row for row in rows}
    assert (found["I-06"].value, found["I-06"].limit, found["I-06"].state) == ("80%", "≥ 90%", "missed")
    assert (found["I-10"].value, found["I-10"].reason) == ("", "no data in the window")


def test_a_long_conclusion_and_many_hazards_are_cut() -> None:
    made = samples.crowded()
    found = summary(made, "zh")
    assert (len(found.conclusion), found.whole) == (LENGTH, False)
    assert (len(found.hazards), found.more) == (HAZARDS, len(made.open_hazards) - HAZARDS)
    page = html.render(made, "zh")
    assert "（全文见第三部分）" in page
    assert f"另有 {found.more} 项" in page


def test_closed_hazards_are_left_out() -> None:
    closed = msgspec.structs.replace(samples.hazard(), state="closed")
    found = summary(samples.report(hazards=(closed,)), "en")
    assert (found.hazards, found.more) == ((), 0)


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_empty_report_says_so(language: Language) -> None:
    empty = samples.report(answers=(), figures=(), drill_figures=(), hazards=())
    found = summary(empty, language)
    assert (found.conclusion, found.whole) == ("", True)
    assert len(found.unmeasured) == len(empty.definitions)
    head = html.render(empty, language).partition('id="summary"')[2].partition("</section>")[0]
    assert texts(language)["empty"] in head
