"""Compare our Mandarin recognition with faster-whisper's, on recordings of people.

    python -m benchmarks.people --clips DIR [--without SOURCE ...] [--split dev] [--limit N] [--texts FILE]

`DIR` has clips and a `refs.tsv` with the columns file, language, source, seconds and reference; `split` is optional.
Both recognisers transcribe the same clips, batch by batch in turn. The table gives the share of wrong characters and of
wrong toneless syllables, and the difference with its 95% interval (bootstrap over clips, 10,000 draws, fixed seed).
Characters are compared in simplified script, without punctuation. Arabic digits are spelt out, digit by digit or as a
number: the reading with fewer errors counts. `--texts` keeps the transcripts in a TSV file, or scores those in it.
"""

import argparse
import csv
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import jiwer
import numpy as np
from numpy.typing import NDArray
from pypinyin import lazy_pinyin
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.recognisers import Recognise, faster, ours
from pipeline.base.cpu import cores
from pipeline.contract.topology import TRANSCRIBE
from pipeline.settings import Asr
from pipeline.speech.asr.recogniser import MAX_SAMPLES
from pipeline.speech.audio.decode import samples_of
from training.speech.words import characters

DRAWS = 10_000
SEED = 4

NUMERALS = "零一二三四五六七八九"
PLACES = ("", "十", "百", "千")

Errors = NDArray[np.int64]
"""Shape (clips, 2): wrong units and units of the reference."""


Spell = Callable[[str], str]


class PersonClip(NamedTuple):
    file: Path
    source: str
    reference: str


class ClipTexts(NamedTuple):
    """The transcripts of each recogniser for each clip."""

    faster: list[str]
    ours: list[str]


def clips(folder: Path, leave_out: Sequence[str], split: str | None) -> list[PersonClip]:
    """The Mandarin clips of `folder`, in the order of its table."""
    with (folder / "refs.tsv").open(encoding="utf-8") as file:
        rows = [*csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]
    return [
        PersonClip(folder / row["file"], row["source"], row["reference"])
        for row in rows
        if row["language"] == "zh" and row["source"] not in leave_out and split in {None, row.get("split")}
    ]


def recognise(found: Sequence[PersonClip]) -> ClipTexts:
    """Transcribe every clip with both recognisers, a batch at a time, so that other load affects both alike."""
    asr = Asr(language="zh")
    theirs, own = faster(asr, threads=cores()), ours(asr)
    texts = ClipTexts([], [])
    for batch in track([*batches(found)], "hearing", console=Console(stderr=True)):
        sound = [samples_of(clip.file)[:MAX_SAMPLES] for clip in batch]
        texts.faster.extend(_texts(theirs, sound))
        texts.ours.extend(_texts(own, sound))
    return texts


def kept(found: Sequence[PersonClip], file: Path | None) -> ClipTexts:
    """The transcripts in `file`. If the file does not exist, transcribes the clips and writes it."""
    if file and file.exists():
        rows = [line.split("\t") for line in file.read_text("utf-8").splitlines()]
        return ClipTexts(*([row[column] for row in rows] for column in (1, 2)))
    texts = recognise(found)
    if file:
        lines = [f"{clip.file.name}\t{theirs}\t{own}\n" for clip, theirs, own in zip(found, *texts, strict=True)]
        file.write_text("".join(lines), "utf-8")
    return texts


def _texts(recogniser: Recognise, sound: Sequence[NDArray[np.float32]]) -> list[str]:
    return [recognised.text for recognised in recogniser(sound)]


def errors(references: Sequence[str], texts: Sequence[str], spelt: Spell) -> Errors:
    """Wrong units of each clip. `spelt` turns a text into units, separated by spaces."""
    rows = []
    for reference, text in zip(references, texts, strict=True):
        wanted = spelt(by_digit(reference))
        wrong = min(_wrong(wanted, spelt(read(text))) for read in (by_digit, as_numbers))
        rows.append((wrong, len(wanted.split())))
    return np.array(rows, np.int64)


def _wrong(reference: str, text: str) -> int:
    found = jiwer.process_words(reference, text)
    return int(found.substitutions + found.deletions + found.insertions)


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


def rate(rows: Errors) -> float:
    """Wrong units in per cent."""
    return float(100 * rows[:, 0].sum() / rows[:, 1].sum())


def interval(before: Errors, after: Errors) -> tuple[float, float]:
    """95% interval of `rate(after) - rate(before)`: bootstrap over clips (Bisani and Ney 2004)."""
    picks = np.random.default_rng(SEED).integers(0, len(before), (DRAWS, len(before)))
    units = before[:, 1][picks].sum(axis=1)
    differences = 100 * (after[:, 0] - before[:, 0])[picks].sum(axis=1) / units
    low, high = np.percentile(differences, (2.5, 97.5))
    return float(low), float(high)


def table(found: Sequence[PersonClip], texts: ClipTexts) -> Table:
    made = Table("unit", "clips", "faster-whisper %", "ours %", "difference", "95% interval")
    references = [clip.reference for clip in found]
    for unit, spelt in (("character", characters), ("toneless syllable", syllables)):
        before, after = (errors(references, each, spelt) for each in texts)
        low, high = interval(before, after)
        made.add_row(
            unit,
            str(len(found)),
            f"{rate(before):.1f}",
            f"{rate(after):.1f}",
            f"{rate(after) - rate(before):+.1f}",
            f"{low:+.1f} to {high:+.1f}",
        )
    return made


def syllables(text: str) -> str:
    """The toneless syllables of a Mandarin text, separated by spaces."""
    return " ".join(lazy_pinyin(characters(text).replace(" ", "")))


def batches(found: Sequence[PersonClip]) -> list[Sequence[PersonClip]]:
    size = TRANSCRIBE.batch
    return [found[at : at + size] for at in range(0, len(found), size)]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--without", nargs="*", default=[], metavar="SOURCE", help="sources to leave out")
    parser.add_argument("--split", help="only clips of this split, e.g. dev")
    parser.add_argument("--limit", type=int, help="only the first N clips")
    parser.add_argument("--texts", type=Path, metavar="FILE", help="keep the transcripts, or score those kept")
    options = parser.parse_args(arguments)
    found = clips(options.clips, options.without, options.split)[: options.limit]
    if not found:
        parser.error(f"{options.clips}/refs.tsv has no such Mandarin clips")
    Console().print(table(found, kept(found, options.texts)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
