"""Our suites share nothing with the training: no sentence is close to another suite's or to a training line."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path

import msgspec
import pytest

import benchmarks
from benchmarks.judging.cases import transcribed
from benchmarks.judging.conversations import ours
from pipeline.judge.classifier_text import view
from pipeline.learning.case_split import SeenTexts
from pipeline.learning.training_rows import LABELS, Row
from tests.training.classifier import hatecheck
from training.classifier.sets import read
from training.classifier.teach import clauses

LANGUAGES = ("en", "zh")
CLEAN = "clean"
SUITES = ("lookalikes", "evasion", "spoken")

Tree = Mapping[str, "Tree"] | str


def suite(name: str) -> dict[str, Tree]:
    found: dict[str, Tree] = msgspec.yaml.decode((Path(benchmarks.__file__).parent / f"{name}.yaml").read_bytes())
    return found


def lines(tree: Tree) -> Iterator[str]:
    if isinstance(tree, str):
        yield from tree.splitlines()
    else:
        yield from chain.from_iterable(map(lines, tree.values()))


def sentences(name: str) -> list[str]:
    return [line for tree in suite(name).values() for line in lines(tree)]


def branches(tree: Tree) -> Mapping[str, Tree]:
    assert not isinstance(tree, str)
    return tree


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """All our lines, as training reads them."""
    return [*read(Path("unused"), ("authored",))]


@pytest.fixture(scope="module")
def taught(rows: list[Row]) -> SeenTexts:
    return SeenTexts(row.text for row in rows)


@pytest.fixture(scope="module")
def viewed(rows: list[Row]) -> list[Row]:
    """The lines as the classifier sees them."""
    return [replace(row, text=view(row.text)) for row in rows]


@pytest.fixture(scope="module")
def parts(viewed: list[Row]) -> list[str]:
    return [row.text for row in clauses(viewed)]


@pytest.fixture(scope="module")
def taught_in_parts(parts: list[str]) -> SeenTexts:
    return SeenTexts(parts)


def near(found: list[str], known: SeenTexts) -> list[str]:
    return [text for text in found if text in known]


@pytest.mark.parametrize("name", SUITES)
def test_training_has_no_sentence_of_a_suite(name: str, taught: SeenTexts) -> None:
    assert near(sentences(name), taught) == []


@pytest.mark.parametrize("name", SUITES)
def test_no_clause_is_close_to_a_suite(name: str, parts: list[str], taught_in_parts: SeenTexts) -> None:
    """Reports the clauses, for tested.txt. The few sentences are looked up first among the many clauses."""
    assert near(parts, SeenTexts(near(sentences(name), taught_in_parts))) == []


def test_training_has_no_line_of_our_conversations(
    taught: SeenTexts, parts: list[str], taught_in_parts: SeenTexts
) -> None:
    """Their harmless and risky ones share words, but none with training or another suite."""
    said = [*dict.fromkeys(turn.text for each in ours() for turn in each.turns)]
    assert near(said, taught) == []
    assert near(parts, SeenTexts(near(said, taught_in_parts))) == []
    assert near(said, SeenTexts(chain.from_iterable(map(sentences, SUITES)))) == []


def test_our_conversations_are_half_risky_and_long_enough() -> None:
    for language in LANGUAGES:
        found = [each for each in ours() if each.language == language]
        assert [each.risky for each in found].count(True) * 2 == len(found) >= 60
        assert all(3 <= len(each.turns) <= 8 and 1 <= len({t.speaker for t in each.turns}) <= 3 for each in found)
        assert all(each.breaking < {t.speaker for t in each.turns} | {"nobody"} for each in found)


def test_no_clause_is_close_to_a_hatecheck_case(parts: list[str], taught_in_parts: SeenTexts) -> None:
    assert not hatecheck.meets(taught_in_parts), hatecheck.near(parts)


@pytest.mark.parametrize("name", ["heard_validation", "heard_short"])
def test_validation_lines_are_not_trained_on(name: str, viewed: list[Row]) -> None:
    chosen_by = {view(pair.read.text) for pair in transcribed(Path(benchmarks.__file__).parent / name)}
    assert {row.part for row in viewed if row.text in chosen_by} == {"validation"}
    assert chosen_by <= {row.text for row in viewed}


def test_no_suite_has_near_duplicates() -> None:
    seen = SeenTexts()
    assert [text for name in SUITES for text in sentences(name) if seen.add(text)] == []


def test_neither_training_nor_a_suite_repeats_hatecheck(rows: list[Row], taught: SeenTexts) -> None:
    assert not hatecheck.meets(taught), hatecheck.near(row.text for row in rows)
    assert hatecheck.near(chain.from_iterable(map(sentences, SUITES))) == []


def test_a_near_duplicate_of_hatecheck_is_found() -> None:
    ours = [hatecheck.OURS.upper() + "!"]
    assert hatecheck.near(ours) == ours
    assert hatecheck.meets(SeenTexts(ours))


@pytest.mark.parametrize("language", LANGUAGES)
def test_there_are_enough_look_alikes_of_every_label(language: str) -> None:
    tree = branches(suite("lookalikes")[language])
    assert set(tree) == set(LABELS)
    assert len([*lines(tree)]) >= 200


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_disguise_has_enough_risky_and_clean_sentences(language: str) -> None:
    for kind, tree in suite_of_evasion(language).items():
        assert set(tree) <= {*LABELS, CLEAN}, kind
        assert len([*lines(tree[CLEAN])]) >= 15, kind
        assert len([*lines(tree)]) >= 30 or set(tree) == {CLEAN}, kind


def suite_of_evasion(language: str) -> dict[str, Mapping[str, Tree]]:
    return {kind: branches(tree) for kind, tree in branches(suite("evasion")[language]).items()}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_spoken_set_is_half_risky_and_has_every_label(language: str) -> None:
    counts = Counter({label: len([*lines(tree)]) for label, tree in branches(suite("spoken")[language]).items()})
    assert set(counts) == {*LABELS, CLEAN}
    assert counts[CLEAN] >= 330
    assert counts.total() - counts[CLEAN] >= 330
