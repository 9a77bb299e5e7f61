"""Numbers as text."""

from datetime import UTC
from typing import Any, get_args

import pytest

from pipeline.assessment import hazards, register
from pipeline.assessment.report import content, wording
from pipeline.assessment.report.wording import LANGUAGES, Language, texts
from pipeline.assessment.workdays import CHINA
from pipeline.review.accounts.accounts import Role
from pipeline.review.quality.figure import Unit, Unmeasured
from tests.pipeline.assessment.report import samples


@pytest.mark.parametrize(
    ("value", "unit", "language", "text"),
    [
        (0.992, "share", "en", "99.2%"),
        (1.0, "share", "zh", "100%"),
        (0.0, "share", "en", "0%"),
        (0.9999, "share", "en", "99.99%"),
        (0.0031, "share", "en", "0.31%"),
        (0.0000001, "share", "en", "< 0.001%"),
        (0.9999999, "share", "en", "> 99.999%"),
        (2.4, "seconds", "zh", "2.4 秒"),
        (0.25, "seconds", "en", "250 ms"),
        (0.0, "seconds", "en", "0 s"),
        (900.0, "seconds", "en", "15 min"),
        (183.0, "days", "zh", "183 天"),
        (1_204_880.0, "count", "en", "1,204,880"),
        (0.7812, "ratio", "en", "0.781"),
        (-0.25, "ratio", "en", "\u22120.25"),
        (31_400_000.5, "count", "en", "31.4 M"),
        (31_400_000.0, "count", "zh", "3,140 万"),
        (1_234_567_890.0, "count", "en", "1,235 M"),
    ],
)
def test_a_value_has_its_unit(value: float, unit: Unit, language: Language, text: str) -> None:
    assert wording.shown(value, unit, language) == text


def test_an_interval_has_both_bounds() -> None:
    assert wording.interval((0.984, 0.99), "share", "en") == "98.4–99%"
    assert wording.interval((31.0, 47.0), "seconds", "zh") == "31–47 秒"
    assert wording.interval((0.5, 2.0), "seconds", "en") == "500 ms – 2 s"
    assert wording.interval((1.0, 2.5), "ratio", "en") == "1–2.5"


def test_times_have_a_zone() -> None:
    late = 17 * 3_600
    assert (wording.moment(late, UTC), wording.day(late, UTC)) == ("1970-01-01 17:00", "1970-01-01")
    assert (wording.moment(late, CHINA), wording.day(late, CHINA)) == ("1970-01-02 01:00", "1970-01-02")
    assert wording.iso(late) == "1970-01-01T17:00:00Z"
    assert [wording.zone_name(name, "zh") for name in ("Asia/Shanghai", "UTC")] == ["北京时间", "UTC"]


def keys(value: Any, path: str = "") -> set[str]:
    """Return the paths of all texts."""
    if isinstance(value, dict):
        return {inner for name, part in value.items() for inner in keys(part, f"{path}.{name}")}
    return {f"{path}#{len(value)}" if isinstance(value, list) and value and len(value) != 8 else path}


def test_both_languages_have_the_same_keys() -> None:
    def lists_apart(found: set[str]) -> set[str]:
        return {each.partition("#")[0] for each in found}

    assert lists_apart(keys(texts("zh"))) == lists_apart(keys(texts("en")))


@pytest.mark.parametrize("language", LANGUAGES)
def test_all_values_have_texts(language: Language) -> None:
    found = texts(language)
    assert set(found["unmeasured"]) == set(get_args(Unmeasured))
    assert set(found["evidence"]) == set(samples.KINDS)
    assert set(found["items"]) == set(content.ITEMS)
    assert set(found["roles"]) == set(get_args(Role))
    assert set(found["register"]) == set(get_args(register.Kind))
    assert set(found["hazard_states"]) == set(get_args(hazards.HazardState))
    assert set(found["hazard_sources"]) == set(get_args(hazards.HazardSource))
    assert set(found["gaps"]) == set(get_args(content.GapKind))


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_is_empty(language: Language) -> None:
    def empty(value: Any) -> bool:
        return any(map(empty, value.values())) if isinstance(value, dict) else value is None or value == ""

    assert not empty(texts(language))
