"""Differences of policies: each line of both texts once, words marked, and little work for the longest texts."""

import random
from difflib import SequenceMatcher

import pytest

from pipeline.console.policy import policy_difference as module
from pipeline.console.policy.policy_difference import DiffLine, difference, runs
from pipeline.judge.rule_texts import LexiconText, RuleTexts


def both(old: str, new: str) -> tuple[RuleTexts, RuleTexts]:
    first, second = (RuleTexts("name: mine\n", (LexiconText("en", text),)) for text in (old, new))
    return first, second


def words(line: DiffLine | None) -> str:
    return "".join(part.text for part in line.parts) if line else ""


def marked(line: DiffLine | None) -> list[str]:
    return [part.text for part in line.parts if part.changed] if line else []


def test_the_words_that_differ_are_marked_beside_each_other() -> None:
    rows = difference(
        *both("a\nlabel: {review: 0.5}\n词条：私聊\nz\n", "a\nlabel: {review: 0.6}\n词条：私聊返\nz\nnew\n")
    )
    assert [row.kind for row in rows] == ["file", "same", "changed", "changed", "same", "changed"]
    assert rows[0].name == "en"
    limit, term, added = rows[2], rows[3], rows[5]
    assert (marked(limit.old), marked(limit.new)) == (["0.5"], ["0.6"])
    assert (marked(term.old), marked(term.new)) == ([], ["返"])
    assert (added.old, words(added.new)) == (None, "new")
    assert [changed for changed, _ in runs(rows)] == [False, True, False, True]


def test_only_lines_near_a_change_are_shown() -> None:
    lines = [f"line {number}" for number in range(30)]
    rows = difference(*both("\n".join(lines), "\n".join([*lines[:15], "other", *lines[16:]])))
    assert [row.kind for row in rows] == ["file", "place", *["same"] * 3, "changed", *["same"] * 3]
    assert [row.new.number for row in rows if row.new] == list(range(13, 20))
    assert difference(*both("a", "a")) == ()


@pytest.mark.parametrize("seed", range(300))
def test_each_side_has_all_its_lines_in_order(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - for tests
    old, new = ([chance.choice("abcdefg") for _ in range(chance.randrange(12))] for _ in range(2))
    rows = list(module._rows(old, new))
    assert [words(row.old) for row in rows if row.old] == old
    assert [words(row.new) for row in rows if row.new] == new
    assert [row.new.number for row in rows if row.new] == list(range(1, len(new) + 1))
    assert all(words(row.old) == words(row.new) for row in rows if row.kind == "same")


def long(change: str, count: int = 9_000) -> str:
    return "".join(f"- {{level: {change}, terms: [x{n}]}}\n" if n % 2 else f"# {n}\n" for n in range(count))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (long("low"), long("high")),
        ("a\nb\n" * 30_000, "b\na\n" * 30_000),
        ("\n".join(map(str, range(20_000))), "\n".join(map(str, reversed(range(20_000))))),
    ],
)
def test_the_longest_texts_need_few_comparisons(monkeypatch: pytest.MonkeyPatch, old: str, new: str) -> None:
    """Every second line of a lexicon differs: a plain SequenceMatcher took 46 s for it, at each look at the page."""
    work: list[int] = []

    class Counting(SequenceMatcher):  # type: ignore[type-arg]
        def __init__(self, junk: None, a: list[str], b: list[str], autojunk: bool) -> None:
            work.append(len(a) * len(b))
            super().__init__(junk, a, b, autojunk)

    monkeypatch.setattr(module, "SequenceMatcher", Counting)
    difference.cache_clear()
    assert 0 < len(difference(*both(old, new))) <= module.MOST_ROWS
    assert sum(work) < 2_000_000
