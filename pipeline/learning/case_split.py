"""Splits decided cases into cases that teach a classifier and cases that test it, and makes them rows.

Golden cases are a test. Of the others, a fifth is held out, so that no room and no speaker is on both sides. If too
many rooms hang together by their speakers, only the speakers are kept apart. Near-duplicates of texts are found by
MinHash over character shingles (Broder 1997).
"""

import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

import numpy as np

from pipeline.judge.classifier_text import view
from pipeline.judge.model_outputs import Numbers
from pipeline.learning.decided_cases import DecidedUtterance, Example, PlacedExample
from pipeline.learning.training_rows import OUTPUTS, RISK, Row, negative

SHINGLE = 4
HASH_BANDS, HASH_ROWS = 6, 4
"""Two texts are near-duplicates if all hashes of one band agree. This is true for half of the pairs with a Jaccard
similarity of 0.57.
"""

PRIME = np.uint64(2**31 - 1)  # a product of two smaller numbers fits into 64 bits
RANDOM = np.random.default_rng(20260101)  # a fixed seed: the same texts are near-duplicates in each run
FACTORS = RANDOM.integers(1, int(PRIME), HASH_BANDS * HASH_ROWS, dtype=np.uint64)
OFFSETS = RANDOM.integers(0, int(PRIME), HASH_BANDS * HASH_ROWS, dtype=np.uint64)
NOT_LETTERS = re.compile(r"[\W_]+")
HELD = 0.2
"""The share of the cases that is held out."""
LARGEST = 0.4
"""More must not be held out."""
Keys = Callable[[PlacedExample], tuple[str, ...]]


class SeenTexts:
    """Remembers texts and finds near-duplicates of them."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self.keys: set[tuple[int, bytes]] = set()
        """The band keys of all texts."""
        for text in texts:
            self.add(text)

    def add(self, text: str) -> bool:
        """Add `text`; True if it, or a near-duplicate, was already there."""
        keys = bands(text)
        known = not self.keys.isdisjoint(keys)
        self.keys.update(keys)
        return known

    def __contains__(self, text: str) -> bool:
        return bool(self.keys) and not self.keys.isdisjoint(bands(text))


def bands(text: str) -> list[tuple[int, bytes]]:
    """The `HASH_BANDS` keys of a text. Two texts that share one are near-duplicates."""
    letters = NOT_LETTERS.sub("", text.lower())
    shingles = {letters[at : at + SHINGLE] for at in range(max(1, len(letters) - SHINGLE + 1))}
    hashes = np.array([zlib.crc32(shingle.encode()) for shingle in shingles], np.uint64) % PRIME
    # MinHash: the lowest hash under each permutation. Locality-sensitive hashing: rows of them make a band's key.
    minima = ((hashes[:, None] * FACTORS + OFFSETS) % PRIME).min(axis=0).astype(np.uint32)
    return [(band, minima[band * HASH_ROWS : (band + 1) * HASH_ROWS].tobytes()) for band in range(HASH_BANDS)]


@dataclass(frozen=True, slots=True)
class CaseSplit:
    """Decided cases by their use."""

    taught: list[Example]
    held: list[Example]
    golden: list[Example]
    apart: str
    """`speakers`, or `rooms and speakers`: the taught and the held-out cases share none of them."""
    heard: Mapping[str, DecidedUtterance]
    """Taught cases that also teach in their context, by id. No case that tests is in a context."""


def split_cases(
    cases: Sequence[PlacedExample], seed: int, heard: Mapping[str, DecidedUtterance] | None = None
) -> CaseSplit:
    """Split the cases. The same seed and cases give the same sides. `heard` has the speech before cases, by id.

    A held-out text that is close to a taught one is left out. So is a taught text that is close to a golden one.
    """
    golden = [each.example for each in cases if each.example.golden]
    others = [each for each in cases if not each.example.golden]
    chosen, apart = _chosen(others, _places, seed), "rooms and speakers"
    if len(chosen) < HELD / 2 * len(others):  # the rooms hang together by their speakers
        chosen, apart = _chosen(others, _speaker, seed), "speakers"
    tests = SeenTexts(each.text for each in golden)
    taught = [each.example for each in others if each.example.group not in chosen and each.example.text not in tests]
    known = SeenTexts(each.text for each in taught)
    held = [each.example for each in others if each.example.group in chosen and each.example.text not in known]
    tested = {each.group for each in (*held, *golden)}
    return CaseSplit(taught, held, golden, apart, dict(_contexts(taught, heard or {}, tested)))


def rows_of(examples: Sequence[Example]) -> list[Row]:
    """The decided labels as rows, as the classifier sees the texts. Speech that breaks no rule has no label at all."""
    return [Row(view(each.text), each.language, _labels(each), "decision", group=each.group) for each in examples]


def teaching(lessons: CaseSplit) -> list[Row]:
    """The taught cases alone, and a second time in their context if they have one."""
    alone = rows_of(lessons.taught)
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


def _contexts(
    taught: Iterable[Example], heard: Mapping[str, DecidedUtterance], tested: set[str]
) -> Iterator[tuple[str, DecidedUtterance]]:
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
    # The order depends on the names alone. So new cases change the sides of few old ones.
    for root in sorted(groups, key=lambda name: sha256(f"{seed}/{name}".encode()).digest()):
        if len(chosen) < HELD * len(cases) and len(chosen) + len(groups[root]) <= LARGEST * len(cases):
            chosen.update(groups[root])
    return chosen


def _roots(cases: Sequence[PlacedExample], keys: Keys) -> list[str]:
    """For each case, a name that it shares with all cases that hang together with it by their keys."""
    parents: dict[str, str] = {}  # union-find, with path halving

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
