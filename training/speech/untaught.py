"""Make round trips through Whisper's Mandarin adapter, of lines that it was not trained on.

    python -m training.speech.untaught --data DIR --audio DIR --after N [--lines N] [--voices COMMAND] [--out FILE]

It works like round_trips.py, on lines that training/adapter/lessons.py draws, from line `--after`. The adapter mishears
lines that it was trained on only a quarter to half as often, so they would teach little.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from pipeline.base.errors import ConfigError
from training.adapter.lessons import LANGUAGE, lines
from training.classifier.noise import ROUND_TRIPS
from training.commands import errors_in_a_line
from training.speech.round_trips import trips
from training.speech.transcribed import speak


def make(options: argparse.Namespace) -> None:
    wanted = lines(options.data, options.after + options.lines)[options.after :]
    if not wanted:
        raise ConfigError(f"--after {options.after}: --data has no such line", "Use a smaller number, or more sets.")
    speak(wanted, options.audio, options.voices)
    trips(wanted, options.audio, options.out)


def main() -> None:
    with errors_in_a_line():
        make(arguments())


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the training sets")
    parser.add_argument("--audio", type=Path, required=True, help="folder for recordings of lines, rooms and noises")
    parser.add_argument(
        "--after", type=int, required=True, help="the number of lines that the adapter was trained on, or more"
    )
    parser.add_argument("--lines", type=int, default=5000, help="number of lines to transcribe (default: %(default)s)")
    parser.add_argument("--voices", help="shell command that makes missing recordings")
    parser.add_argument("--out", type=Path, default=ROUND_TRIPS / f"{LANGUAGE}.adapter.tsv")
    return parser.parse_args(given)


if __name__ == "__main__":
    main()
