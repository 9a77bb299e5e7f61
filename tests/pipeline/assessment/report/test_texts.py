"""Both languages have the same texts, and a text for each value of the data."""

from typing import Any, get_args

import pytest

from pipeline.assessment import hazards, register
from pipeline.assessment.report import content, evidence
from pipeline.assessment.report.numbers import LANGUAGES, Language
from pipeline.assessment.report.texts import texts
from pipeline.review.accounts.accounts import Role
from pipeline.review.quality.figure import Unmeasured


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
    assert set(found["evidence"]) == set(evidence.kinds())
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
