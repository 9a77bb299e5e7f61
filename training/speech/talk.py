"""Count the model of ordinary talk that ranks readings: python -m training.speech.talk --data DIR [--out FILE]

Only lines of the training side are counted, and one line of each pattern of ours. Risky lines are among them. Without
them, the recogniser would prefer harmless words. The file is the same on every machine.
"""

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.learning.training_rows import CLEAN, part_of
from pipeline.speech.asr.language_model import END, FILE, START, clauses
from pipeline.speech.languages import SHIPPED
from training.classifier.sets import read
from training.commands import errors_in_a_line, notes

LANGUAGE = "zh"
SETS = ("authored", "cold", "swsr", "kdconv", "crosswoz", "teleantifraud", "medical_zh")
LEAST = 2
"""Rarer pairs and triples are left out. With them the model is three times as large, and 0.3 points better."""
UNSEEN = 0.5
"""Added to the count of each character."""

Counts = Mapping[str, int]
Column = NDArray[np.generic]


def lines(folder: Path) -> Iterator[str]:
    """Each different clause of the training side."""
    rows = [row for row in read(folder, SETS) if row.language == LANGUAGE and part_of(row) == "train"]
    ours = {(row.group, row.labels is CLEAN): row for row in rows if row.source == "authored"}
    others = (row for row in rows if row.source != "authored")
    yield from dict.fromkeys(clause for row in (*ours.values(), *others) for clause in clauses(row.text))


def count(found: Iterator[str]) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """How often each character, pair and triple occurs."""
    singles, pairs, triples = Counter[str](), Counter[str](), Counter[str]()
    for clause in found:
        text = START + clause + END
        singles.update(text[1:])
        pairs.update(map("".join, pairwise(text)))
        triples.update(map("".join, zip(text, text[1:], text[2:], strict=False)))
    return singles, pairs, triples


def tables(singles: Counts, pairs: Counts, triples: Counts) -> dict[str, Column]:
    """The arrays of `TalkModel`."""
    pairs, triples = (_frequent(counts) for counts in (pairs, triples))
    characters = sorted({START, *singles})
    number = {character: at for at, character in enumerate(characters)}
    size = len(characters) + 1
    total = sum(singles.values()) + UNSEEN * size
    first = {character: (singles.get(character, 0) + UNSEEN) / total for character in characters}
    second, first_backoff = estimated(pairs, first)
    third, second_backoff = estimated(triples, second)
    keys = {pair: number[pair[0]] * size + number[pair[1]] for pair in pairs}
    ranked = sorted(pairs, key=keys.__getitem__)
    place = {pair: at for at, pair in enumerate(ranked)}
    longest = {triple: place[triple[:2]] * size + number[triple[2]] for triple in triples}
    ordered = sorted(triples, key=longest.__getitem__)
    return {
        "characters": np.array([*characters, ""]),
        "first": _logs([*(first[each] for each in characters), UNSEEN / total]),
        "first_backoff": _logs([*(first_backoff.get(each, 1.0) for each in characters), 1.0]),
        "pairs": np.array([keys[each] for each in ranked], np.uint32),
        "second": _logs([second[each] for each in ranked]),
        "second_backoff": _logs([second_backoff.get(each, 1.0) for each in ranked]),
        "triples": np.array([longest[each] for each in ordered], np.uint32),
        "third": _logs([third[each] for each in ordered]),
    }


def _frequent(counts: Counts) -> Counts:
    return {gram: found for gram, found in counts.items() if found >= LEAST}


def estimated(grams: Counts, shorter: Mapping[str, float]) -> tuple[dict[str, float], dict[str, float]]:
    """The probability of each gram's last character, and each context's share for characters that never followed it."""
    following, kinds = Counter[str](), Counter[str]()
    for gram, found in grams.items():
        following[gram[:-1]] += found
        kinds[gram[:-1]] += 1
    unseen = {context: kinds[context] / (following[context] + kinds[context]) for context in kinds}
    return {
        gram: (1 - unseen[gram[:-1]]) * found / following[gram[:-1]] + unseen[gram[:-1]] * shorter[gram[1:]]
        for gram, found in grams.items()
    }, unseen


def _logs(values: Sequence[float]) -> Column:
    logs: Column = np.log(np.array(values)).astype(np.float16)
    return logs


def main() -> None:
    options = arguments()
    with errors_in_a_line():
        counted = count(lines(options.data))
    np.savez_compressed(options.out, allow_pickle=False, **tables(*counted))
    notes.print(f"{sum(counted[0].values()):,} characters; {options.out.stat().st_size / 1e6:.1f} MB")


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the training sets")
    parser.add_argument("--out", type=Path, default=SHIPPED / LANGUAGE / FILE)
    return parser.parse_args(given)


if __name__ == "__main__":
    main()
