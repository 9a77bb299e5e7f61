"""Clips with their texts, sounds without words, and error rates of recognisers.

A folder of clips has `refs.tsv` with the columns file, language, source, seconds, reference. English is scored by words
after Whisper's own normaliser. Mandarin is scored by simplified characters without punctuation. Its Arabic digits are
spelt out, digit by digit or as a number: the reading with fewer errors counts. Clean and hard clips are scored
separately.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import jiwer
import numpy as np
from numpy.typing import NDArray

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.asr.recogniser import Samples
from pipeline.speech.audio.decode import samples_of
from training.speech.sounds import SEED, SOUNDS
from training.speech.words import normalisers

CLEAN = {"en": frozenset({"asterisk", "librivox", "synthesised"}), "zh": frozenset({"fireredasr", "synthesised"})}
"""Sources of clear speech near the microphone. Other English is sung or noisy; other Mandarin is far, fast, sung or
dialect.
"""

SOUND_SECONDS = (1.0, 3.0, 6.0)
DRAWS = 10_000
NUMERALS = "零一二三四五六七八九"
PLACES = ("", "十", "百", "千")

Errors = NDArray[np.int64]
"""Shape (clips, 2): wrong units and units of the reference."""


class Reference(NamedTuple):
    file: str
    language: str
    source: str
    seconds: float
    text: str

    @property
    def group(self) -> str:
        return f"{self.language} {'clean' if self.source in CLEAN[self.language] else 'hard'}"


def references(folder: Path) -> list[Reference]:
    with (folder / "refs.tsv").open(encoding="utf-8") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [
            Reference(row["file"], row["language"], row["source"], float(row["seconds"]), row["reference"])
            for row in rows
        ]


def errors(refs: Sequence[Reference], texts: Sequence[str]) -> Errors:
    """The wrong words or characters of each clip."""
    normalise, rows = normalisers(), []
    for ref, text in zip(refs, texts, strict=True):
        spelt = normalise[ref.language]
        readings = {by_digit(text), as_numbers(text)} if ref.language == "zh" else {text}
        wanted = spelt(by_digit(ref.text) if ref.language == "zh" else ref.text)
        rows.append((min(_wrong(wanted, spelt(each)) for each in readings), len(wanted.split())))
    return np.array(rows, np.int64).reshape(-1, 2)


def _wrong(reference: str, text: str) -> int:
    found = jiwer.process_words(reference, text)
    return int(found.substitutions + found.deletions + found.insertions)


def rates(refs: Sequence[Reference], found: Errors) -> Iterator[tuple[str, float]]:
    """(group, error rate in per cent) for each group of clips, and for all clips of a language together."""
    for group in sorted({ref.group for ref in refs} | {ref.language for ref in refs}):
        yield group, rate(found[[group in {ref.group, ref.language} for ref in refs]])


def rate(found: Errors) -> float:
    """Wrong units in per cent."""
    return float(100 * found[:, 0].sum() / max(1, found[:, 1].sum()))


def interval(before: Errors, after: Errors) -> tuple[float, float]:
    """95% interval of `rate(after) - rate(before)`: bootstrap over clips (Bisani and Ney 2004)."""
    picks = np.random.default_rng(SEED).integers(0, len(before), (DRAWS, len(before)))
    units = before[:, 1][picks].sum(axis=1)
    low, high = np.percentile(100 * (after[:, 0] - before[:, 0])[picks].sum(axis=1) / units, (2.5, 97.5))
    return float(low), float(high)


def by_digit(text: str) -> str:
    """Arabic digits as Chinese numerals, one by one: 25 becomes 二五."""
    return re.sub(r"[0-9]", lambda digit: NUMERALS[int(digit[0])], text)


def as_numbers(text: str) -> str:
    """Numbers of up to four digits as they are spoken: 25 becomes 二十五. Longer ones digit by digit."""
    return by_digit(re.sub(r"(?<![0-9])[1-9][0-9]{0,3}(?![0-9])", lambda number: _number(number[0]), text))


def _number(digits: str) -> str:
    places = reversed(PLACES[: len(digits)])
    said = "".join(NUMERALS[int(d)] + place if d != "0" else "零" for d, place in zip(digits, places, strict=True))
    return re.sub("零+", "零", said).rstrip("零").removeprefix("一" if said.startswith("一十") else "")


def wordless(folder: Path) -> dict[str, Samples]:
    """Sounds without speech: silence, noise, hums, knocks, music, and the recordings in `folder`/noise."""
    random = np.random.default_rng(SEED)
    made = {
        f"{name} {s:g} s": make(random, round(s * SAMPLE_RATE)) for name, make in SOUNDS.items() for s in SOUND_SECONDS
    }
    recorded = {path.stem: samples_of(path)[: 15 * SAMPLE_RATE] for path in sorted((folder / "noise").glob("*"))}
    return made | recorded
