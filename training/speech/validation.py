"""Make the as-heard validation set: lines of the validation side, synthesised, and transcribed as in production.

    python -m training.speech.validation --language en --audio DIR [--lines N] [--voices COMMAND] [--out FILE]

Choices are made on this set, so the test set of training/speech/transcribed.py stays unseen. It has N risky and N
harmless lines, one of each pattern, in the order of a hash. COMMAND speaks them, as for transcribed.py, with a voice of
Flite for English (awb, rms, slt), and a mix of two of Kokoro's for Mandarin. Rooms and noises are those of
round_trips.py. The recogniser is that of the settings. benchmarks/judge.py and benchmarks/readings.py read the file.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from random import Random

from rich.progress import track

from pipeline.learning.rows import CLEAN, Row, part_of
from training.classifier.sets import authored
from training.commands import errors_in_a_line, notes
from training.speech.round_trips import TrainingLine, furnish
from training.speech.transcribed import BENCHMARKS, VOICES, hear, listener, speak, write

VALIDATION = BENCHMARKS / "heard_validation"
FLITE = ("awb", "rms", "slt")
"""Voices of Flite, which no training clip and no test clip has."""


class ValidationLine(TrainingLine):
    @property
    def voice(self) -> str:
        return Random(self.text).choice(FLITE) if self.language == "en" else super().voice


def lines(language: str, count: int) -> list[ValidationLine]:
    """`count` risky and `count` harmless lines of the validation side."""
    rows = [row for row in authored.spoken(Path()) if row.language == language and part_of(row) == "validation"]
    of_pattern = {(row.group, label(row)): row.text for row in reversed(rows)}
    found = [ValidationLine(language, kind, text) for (_, kind), text in of_pattern.items()]
    drawn = sorted(found, key=lambda line: line.id)
    risky, clean = ([line for line in drawn if (line.label == "clean") is harmless] for harmless in (False, True))
    return sorted([*risky[:count], *clean[:count]], key=lambda line: line.id)


def label(row: Row) -> str:
    """The row's first label, or `clean`."""
    return "clean" if row.labels is CLEAN else next(name for name, value in row.labels.items() if value)


def main() -> None:
    options = arguments()
    with errors_in_a_line():
        make(options)


def make(options: argparse.Namespace) -> None:
    wanted = lines(options.language, options.lines)
    speak(wanted, options.audio, options.voices)
    furnish(options.audio / "around")
    found = hear(listener({"language": options.language}), wanted, options.audio, options.audio / "around")
    write(track(found, options.language, len(wanted), console=notes), options.out / f"{options.language}.tsv")


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--language", choices=VOICES, required=True)
    parser.add_argument("--audio", type=Path, required=True, help="folder for recordings of lines, rooms and noises")
    parser.add_argument("--lines", type=int, default=330, help="lines of each kind (default: %(default)s)")
    parser.add_argument("--voices", help="shell command that makes missing recordings")
    parser.add_argument("--out", type=Path, default=VALIDATION, help="folder of the TSV file")
    return parser.parse_args(given)


if __name__ == "__main__":
    main()
