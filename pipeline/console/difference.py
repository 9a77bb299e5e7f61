"""The difference between two versions of a policy, as lines for a page."""

from collections.abc import Iterator
from difflib import unified_diff
from typing import Literal

from msgspec import Struct

from pipeline.judge.rules import POLICY, RuleTexts

AROUND = 3
"""Unchanged lines that are shown before and after a change."""
MOST_LINES = 2_000


class DiffLine(Struct, frozen=True):
    """One line. `file` starts the lines of a text, `place` those of another part of it."""

    kind: Literal["file", "place", "same", "added", "removed"]
    text: str


KINDS: dict[str, Literal["same", "added", "removed"]] = {" ": "same", "+": "added", "-": "removed"}


def difference(before: RuleTexts, after: RuleTexts) -> list[DiffLine]:
    """Return the lines that differ, with some lines around them. At most MOST_LINES."""
    old, new = _texts(before), _texts(after)
    lines: list[DiffLine] = []
    for name in dict.fromkeys((*old, *new)):
        found = list(_changed(old.get(name, ""), new.get(name, "")))
        lines += [DiffLine("file", name), *found] if found else []
    return lines[:MOST_LINES]


def _changed(before: str, after: str) -> Iterator[DiffLine]:
    found = unified_diff(before.splitlines(), after.splitlines(), n=AROUND, lineterm="")
    for number, line in enumerate(found):
        if number < 2:
            continue
        if line.startswith("@@"):
            yield DiffLine("place", line.strip("@ "))
        else:
            yield DiffLine(KINDS[line[:1]], line[1:])


def _texts(texts: RuleTexts) -> dict[str, str]:
    return {POLICY: texts.policy} | {each.name: each.text for each in texts.lexicons}
