"""Every indicator has its texts in both languages, and every figure has its unit from the catalogue."""

import re

import pytest

from pipeline.assessment.catalogue import INDICATORS, SOURCES, figure, quotient
from pipeline.assessment.measure import function

CHINESE = re.compile(r"[\u4e00-\u9fff]")


def test_there_are_32_indicators_in_order() -> None:
    assert list(INDICATORS) == [f"I-{number:02}" for number in range(1, 33)]


@pytest.mark.parametrize("name", INDICATORS)
def test_an_indicator_is_described_in_both_languages(name: str) -> None:
    about = INDICATORS[name]
    english = [about.name, about.definition, about.formula, about.source("en"), *(v.en for v in about.values.values())]
    chinese = [about.name_zh, about.definition_zh, about.source("zh"), *(v.zh for v in about.values.values())]
    assert all(english)
    assert about.formula_zh
    assert not any(CHINESE.search(text) for text in english)
    named_by_symbol = {"Cohen κ"}
    assert all(CHINESE.search(text) for text in chinese if text not in named_by_symbol)
    assert about.values
    assert about.items


def test_line_breaks_leave_no_space_in_chinese_text() -> None:
    for about in INDICATORS.values():
        assert not re.search(r"[\u4e00-\u9fff，。；：] [\u4e00-\u9fff]", about.definition_zh + about.formula_zh)


def test_the_indicators_name_every_item_of_article_5() -> None:
    assert {item for about in INDICATORS.values() for item in about.items} == {f"5({item})" for item in range(1, 9)}


def test_every_source_is_used() -> None:
    assert {source for about in INDICATORS.values() for source in about.sources} == set(SOURCES)


def test_the_functions_exist() -> None:
    for about in INDICATORS.values():
        assert callable(function(about))


def test_a_quotient_of_nothing_is_not_measured() -> None:
    assert quotient("I-02", "share", 3, 4, 4).value == 0.75
    nothing = quotient("I-02", "share", 0, 0, 0)
    assert (nothing.value, nothing.unmeasured, nothing.unit) == (None, "no_data", "share")
    assert figure("I-05", "p50", 1.5, 3, {"language": "zh"}).unit == "seconds"
    with pytest.raises(KeyError):
        figure("I-05", "p42", 1.0, 1)
