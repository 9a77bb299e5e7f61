"""Round trips through Whisper's adapter of Mandarin: its mishearings of lines that it was not taught.

    python -m training.speech.untaught --data DIR --audio DIR --after N [--lines N] [--voices COMMAND] [--out FILE]

It works as round_trips.py does, on lines that training/adapter/lessons.py draws, from the `--after`-th on.
The adapter mishears a taught line a quarter to half as often as another line, so taught lines would teach little.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import ConfigError
from training.adapter.lessons import LANGUAGE, lines
from training.classifier.noise import ROUND_TRIPS
from training.commands import errors_in_a_line
from training.speech.heard import speak
from training.speech.round_trips import trips


def make(options: argparse.Namespace) -> None:
    wanted = lines(options.data, options.after + options.lines)[options.after :]
    if not wanted:
        raise ConfigError(f"--after {options.after}: --data has no such line", "Name fewer, or more sets.")
    speak(wanted, options.audio, options.voices)
    trips(wanted, options.audio, options.out)


def main() -> None:
    with errors_in_a_line():
        make(arguments())


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the training sets")
    parser.add_argument("--audio", type=Path, required=True, help="recordings of the lines, and of rooms and noises")
    parser.add_argument("--after", type=int, required=True, help="the adapter was taught so many lines, or fewer")
    parser.add_argument("--lines", type=int, default=5000, help="so many are heard (default: %(default)s)")
    parser.add_argument("--voices", help="a shell command that speaks what is missing")
    parser.add_argument("--out", type=Path, default=ROUND_TRIPS / f"{LANGUAGE}.adapter.tsv")
    return parser.parse_args(given)


if __name__ == "__main__":
    main()
