"""Splits decided cases into those that teach a classifier and those that test it, and makes them rows.

Golden cases are a test. Of the others, a fifth is held out, so that no room and no speaker is on both sides. If too
many rooms hang together by their speakers, only the speakers are kept apart.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from pipeline.judge.calibration import Numbers
from pipeline.judge.classifier_text import view
from pipeline.learning.before import Heard
from pipeline.learning.duplicates import Seen
from pipeline.learning.rows import OUTPUTS, RISK, Row, negative
from pipeline.review.quality.exporting import Example, PlacedExample

HELD = 0.2
"""The share of the cases that is held out."""
LARGEST = 0.4
"""More must not be held out."""

Keys = Callable[[PlacedExample], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Lessons:
    """Decided cases by their use."""

    taught: list[Example]
    held: list[Example]
    golden: list[Example]
    apart: str
    """`speakers`, or `rooms and speakers`: the taught and the held-out cases share none of them."""
    heard: Mapping[str, Heard]
    """Taught cases that also teach in their context, by id. No case that tests is in a context."""


def split(cases: Sequence[PlacedExample], seed: int, heard: Mapping[str, Heard] | None = None) -> Lessons:
    """Split the cases. The same seed and cases give the same sides. `heard` has the speech before cases, by id.

    A held-out text that is close to a taught one is left out, and so is a taught text that is close to a golden one.
    """
    golden = [each.example for each in cases if each.example.golden]
    others = [each for each in cases if not each.example.golden]
    chosen, apart = _chosen(others, _places, seed), "rooms and speakers"
    if len(chosen) < HELD / 2 * len(others):
        chosen, apart = _chosen(others, _speaker, seed), "speakers"
    tests = Seen(each.text for each in golden)
    taught = [each.example for each in others if each.example.group not in chosen and each.example.text not in tests]
    known = Seen(each.text for each in taught)
    held = [each.example for each in others if each.example.group in chosen and each.example.text not in known]
    tested = {each.group for each in (*held, *golden)}
    return Lessons(taught, held, golden, apart, dict(_contexts(taught, heard or {}, tested)))


def rows(examples: Sequence[Example]) -> list[Row]:
    """The decided labels as rows, as the classifier sees the texts. Speech that breaks no rule has no label at all."""
    return [Row(view(each.text), each.language, _labels(each), "decision", group=each.group) for each in examples]


def teaching(lessons: Lessons) -> list[Row]:
    """The taught cases alone, and those with a context also in it."""
    alone = rows(lessons.taught)
    before = {case: heard.before for case, heard in lessons.heard.items()}
    return alone + [
        replace(row, own=view(before[row.group].own_text), room=view(before[row.group].room_text))
        for row in alone
        if row.group in before
    ]


def filled(given: Sequence[Row], scores: Numbers) -> list[Row]:
    """`given`, with the scores of the present model, shape (rows, outputs), as targets where nobody decided.

    So the new model keeps what the present one knows.
    """
    return [
        replace(row, labels=dict(zip(OUTPUTS, map(float, known), strict=True)) | dict(row.labels))
        for row, known in zip(given, scores, strict=True)
    ]


def _contexts(taught: Iterable[Example], heard: Mapping[str, Heard], tested: set[str]) -> Iterator[tuple[str, Heard]]:
    for each in taught:
        if (one := heard.get(each.group)) and one.cases and tested.isdisjoint(one.cases):
            yield each.group, one


def _labels(example: Example) -> dict[str, float]:
    if example.labels.get(RISK) == 0:
        return negative(*OUTPUTS)
    return {label: value for label, value in example.labels.items() if label in OUTPUTS}


def _chosen(cases: Sequence[PlacedExample], keys: Keys, seed: int) -> set[str]:
    """The ids of the cases to hold out: whole groups, in an order that the seed decides."""
    groups: dict[str, list[str]] = {}
    for root, each in zip(_roots(cases, keys), cases, strict=True):
        groups.setdefault(root, []).append(each.example.group)
    chosen: set[str] = set()
    for root in sorted(groups, key=lambda name: sha256(f"{seed}/{name}".encode()).digest()):
        if len(chosen) < HELD * len(cases) and len(chosen) + len(groups[root]) <= LARGEST * len(cases):
            chosen.update(groups[root])
    return chosen


def _roots(cases: Sequence[PlacedExample], keys: Keys) -> list[str]:
    """For each case, a name that it shares with all cases that hang together with it by their keys."""
    parents: dict[str, str] = {}

    def root(key: str) -> str:
        while (parent := parents.setdefault(key, key)) != key:
            parents[key] = parents.setdefault(parent, parent)
            key = parent
        return key

    for each in cases:
        first, *more = keys(each)
        for key in more:
            parents[root(key)] = root(first)
    return [root(keys(each)[0]) for each in cases]


def _places(each: PlacedExample) -> tuple[str, ...]:
    return f"speaker {each.speaker}", f"room {each.room}"


def _speaker(each: PlacedExample) -> tuple[str, ...]:
    return (f"speaker {each.speaker}",)
