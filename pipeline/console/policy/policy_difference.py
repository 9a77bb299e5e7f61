"""The difference between two versions of a policy, as rows for a page: the old line beside the new one.

Lines that both texts have only once come first: the longest run of them that keeps its order stays (patience diff). So
a lexicon of 20,000 lines takes less than a second. The lines between them are compared as usual.
"""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import chain, groupby, pairwise, zip_longest
from typing import Literal

from msgspec import Struct

from pipeline.judge.rule_texts import POLICY, RuleTexts

AROUND = 3  # unchanged lines that are shown before and after a change
MOST_ROWS = 2_000  # the page stays readable, and small enough for a browser
# A stretch with more pairs of an old and a new line is shown as replaced, without a search for what stays: the search
# takes time with the square of the lines.
MOST_PAIRS = 250_000
LIKE = 0.4  # a line is compared word by word with the one beside it if they share at least this much
LONGEST = 400  # longer lines are not compared word by word

WORDS = re.compile(r"[A-Za-z0-9_.]+|\s+|.", re.DOTALL)  # a word, a space, or one character of another script


class LinePart(Struct, frozen=True):
    """A part of a line. `changed` if the line beside it has something else there."""

    text: str
    changed: bool = False


class DiffLine(Struct, frozen=True):
    """A line of one side. `number` counts from 1."""

    number: int
    parts: tuple[LinePart, ...]


class DiffRow(Struct, frozen=True):
    """One row. `file` begins a text, `place` another part of it. A changed row has an old line, a new one, or both."""

    kind: Literal["file", "place", "same", "changed"]
    name: str = ""
    old: DiffLine | None = None
    new: DiffLine | None = None


@lru_cache(8)
def difference(before: RuleTexts, after: RuleTexts) -> tuple[DiffRow, ...]:
    """Return the rows that differ, with some lines around them. At most MOST_ROWS."""
    old, new = _texts(before), _texts(after)
    rows: list[DiffRow] = []
    for name in dict.fromkeys((*old, *new)):
        found = _shown(list(_rows(old.get(name, "").splitlines(), new.get(name, "").splitlines())))
        rows += [DiffRow("file", name), *found] if found else []
    return tuple(rows[:MOST_ROWS])


def runs(rows: Sequence[DiffRow]) -> Iterator[tuple[bool, list[DiffRow]]]:
    """Yield stretches of rows, and whether they are changed: one below the other, all old lines come first."""
    for changed, run in groupby(rows, lambda row: row.kind == "changed"):
        yield changed, list(run)


def _shown(rows: list[DiffRow]) -> list[DiffRow]:
    """Leave out the rows that are far from each change."""
    # A byte for each row, with AROUND bytes of margin, so that slices at the ends need no check.
    near = bytearray(len(rows) + 2 * AROUND)
    for at, row in enumerate(rows):
        if row.kind == "changed":
            near[at : at + 2 * AROUND + 1] = b"\x01" * (2 * AROUND + 1)
    kept = [at for at in range(len(rows)) if near[at + AROUND]]
    gaps = {after for before, after in pairwise([-1, *kept]) if after > before + 1}
    return list(chain.from_iterable(([DiffRow("place")] if at in gaps else []) + [rows[at]] for at in kept))


def _rows(old: list[str], new: list[str]) -> Iterator[DiffRow]:
    a = b = 0
    for start, other in (*_kept(old, new), (len(old), len(new))):  # the last pair is behind both ends
        yield from _between(old, new, (a, start), (b, other))
        if start < len(old):
            yield _same(old, start, other)
        a, b = start + 1, other + 1


def _kept(old: list[str], new: list[str]) -> list[tuple[int, int]]:
    """Return the places of lines that stay: the longest run, in the same order, of lines that each text has once."""
    # Patience diff: only lines that are unique on both sides can anchor the comparison.
    once = {line for line, times in Counter(old).items() if times == 1}
    once &= {line for line, times in Counter(new).items() if times == 1}
    places = {line: at for at, line in enumerate(old) if line in once}
    pairs = [(places[line], at) for at, line in enumerate(new) if line in once]
    # Longest increasing subsequence: `ends[n]` is the lowest old line that ends a run of n + 1 lines.
    ends: list[int] = []
    chains: list[tuple[tuple[int, int], object]] = []
    for pair in pairs:
        length = bisect_left(ends, pair[0])
        chain_of = (pair, chains[length - 1] if length else None)
        ends[length : length + 1], chains[length : length + 1] = [pair[0]], [chain_of]
    found: list[tuple[int, int]] = []
    last: object = chains[-1] if chains else None  # walk the links back from the end of the longest run
    while isinstance(last, tuple):
        found.append(last[0])
        last = last[1]
    return found[::-1]


def _between(old: list[str], new: list[str], left: tuple[int, int], right: tuple[int, int]) -> Iterator[DiffRow]:
    """Compare two stretches of lines."""
    (a, a_end), (b, b_end) = left, right
    if (a_end - a) * (b_end - b) > MOST_PAIRS:
        yield from _changed(old, new, left, right)
        return
    # Without `autojunk`: it ignores lines that are frequent, as blank ones are.
    for kind, i, i_end, j, j_end in SequenceMatcher(None, old[a:a_end], new[b:b_end], False).get_opcodes():
        if kind == "equal":
            yield from (_same(old, a + i + step, b + j + step) for step in range(i_end - i))
        else:
            yield from _changed(old, new, (a + i, a + i_end), (b + j, b + j_end))


def _same(old: list[str], at: int, other: int) -> DiffRow:
    parts = (LinePart(old[at]),)
    return DiffRow("same", old=DiffLine(at + 1, parts), new=DiffLine(other + 1, parts))


def _changed(old: list[str], new: list[str], left: tuple[int, int], right: tuple[int, int]) -> Iterator[DiffRow]:
    for at, other in zip_longest(range(*left), range(*right)):
        was, is_now = "" if at is None else old[at], "" if other is None else new[other]
        before, after = _parts(was, is_now)
        yield DiffRow(
            "changed",
            old=None if at is None else DiffLine(at + 1, before),
            new=None if other is None else DiffLine(other + 1, after),
        )


def _parts(old: str, new: str) -> tuple[tuple[LinePart, ...], tuple[LinePart, ...]]:
    """Mark the words that differ, if the lines are alike."""
    words, others = WORDS.findall(old), WORDS.findall(new)
    match = SequenceMatcher(None, words, others, False)
    if max(len(old), len(new)) > LONGEST or not old or not new or match.ratio() < LIKE:
        return (LinePart(old),), (LinePart(new),)
    before, after = [], []
    for kind, i, i_end, j, j_end in match.get_opcodes():
        before.append(LinePart("".join(words[i:i_end]), kind != "equal"))
        after.append(LinePart("".join(others[j:j_end]), kind != "equal"))
    return tuple(part for part in before if part.text), tuple(part for part in after if part.text)


def _texts(texts: RuleTexts) -> dict[str, str]:
    return {POLICY: texts.policy} | {each.name: each.text for each in texts.lexicons}
