from pathlib import Path

import pytest

from pipeline.errors import ConfigError
from pipeline.judge import lexicon
from tests.pipeline.judge.fakes import LABELS, shipped_matcher


def written(folder: Path, text: str) -> str:
    path = folder / "own.yaml"
    path.write_text(text, "utf-8")
    return str(path)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_label_has_terms_in_each_language(language: str) -> None:
    (shipped,) = lexicon.load([language], LABELS)
    assert {group.label for group in shipped.groups} == set(LABELS.labels)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_shipped_term_can_be_found(language: str) -> None:
    """A term that an allowed phrase or its own `unless` always masks is dead weight."""
    matcher = shipped_matcher()
    for group in lexicon.load([language], LABELS)[0].groups:
        for term in group.terms:
            text = " ".join([term.removesuffix("*"), *group.near[:1]])
            assert group.label in {match.term.label for match in matcher.find(text)}, term


def test_no_term_stands_twice_for_one_label() -> None:
    groups = [group for found in lexicon.load(["en", "zh"], LABELS) for group in found.groups]
    for label in LABELS.labels:
        terms = [(term, group.near) for group in groups if group.label == label for term in group.terms]
        assert len(terms) == len(set(terms)), label


def test_examples_of_what_is_not_meant_are_not_hit() -> None:
    matcher = shipped_matcher()
    for label in LABELS.labels.values():
        for example in label.examples.not_meant:
            assert [match for match in matcher.find(example) if match.level != "low"] == [], example


def test_own_terms_replace_or_join_the_shipped_ones(tmp_path: Path) -> None:
    own = written(tmp_path, "groups: [{label: abuse, level: high, terms: [snollygoster]}]")
    matcher = lexicon.compile_terms(lexicon.load(["en", own], LABELS))
    assert [match.term.text for match in matcher.find("kys you sn0llygoster")] == ["kys", "snollygoster"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "groups: [{label: rude, level: low, terms: [x]}]",
            r"groups\.0\.label: unknown label rude\. Known labels: sexual",
        ),
        ("groups: [{label: abuse, level: mild, terms: [x]}]", r"groups\.0\.level: Input should be 'low'"),
        ("groups: [{label: abuse, level: low, terms: []}]", r"groups\.0\.terms"),
        ("groups: [{label: abuse, level: low, terms: ['  ']}]", r"groups\.0\.terms\.0"),
        ("groups: [{label: abuse, level: low, terms: ['***']}]", "has no letters"),
        (
            "groups: [{label: abuse, level: low, terms: [傻逼], pinyin: true}]",
            "傻逼 is too short to be matched by sound",
        ),
        ("groups: [{label: abuse, level: low, term: [x]}]", r"groups\.0\.term"),
    ],
)
def test_mistakes_are_named_by_file_and_key(tmp_path: Path, text: str, message: str) -> None:
    name = written(tmp_path, text)
    with pytest.raises(ConfigError, match=message) as caught:
        lexicon.load([name], LABELS)
    assert name in str(caught.value)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"fr\.yaml cannot be read.*There are: en, zh"):
        lexicon.load(["fr"], LABELS)
