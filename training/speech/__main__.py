"""Make texts as a recogniser hears them: lines are spoken by a synthesiser and transcribed as in production.

    python -m training.speech SET --audio DIR [--voices COMMAND] [--language LANGUAGE] [--out DIR]

SET is one of:
  trained     our own lines, for the training: training/classifier/heard/
  untaught    Mandarin lines that the adapter was not trained on, from number --after, for the training
  validation  own lines of the validation side, on which choices are made: benchmarks/heard_validation/
  tested      the sentences of benchmarks/spoken.yaml, on which nothing is chosen: benchmarks/heard/

`--audio` holds a recording ID.flac of each line. COMMAND makes the missing ones: a shell command that reads lines of
file, language, voice and text, separated by tabs, and writes each file. The voices are Kokoro-82M's (`a+b` is a mix of
two), `joe` of Piper, and `awb`, `rms`, `slt` of Flite. Two lines in five are transcribed in a room, in noise or in
both. The recogniser is that of the settings, for example VOXWARDEN_ASR__MODEL=base.
"""

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.progress import track

from pipeline.base.errors import ConfigError
from training.adapter import clips
from training.classifier.noise import ROUND_TRIPS
from training.commands import errors_in_a_line, notes
from training.speech import lines
from training.speech.hearing import HeardRow, hear, listener, write_readings, write_table
from training.speech.lines import BENCHMARKS
from training.speech.recordings import VOICES, Line, speak
from training.speech.surroundings import furnish


class HeardSet(NamedTuple):
    lines: Callable[[argparse.Namespace], Sequence[Line]]
    write: Callable[[Iterable[HeardRow], Path], None]
    out: Path
    suffix: str = ".tsv"


def untaught(options: argparse.Namespace) -> Sequence[Line]:
    """The adapter mishears its own lines only a quarter to half as often, so they would teach little."""
    if options.data is None or options.after is None:
        raise ConfigError("untaught needs --data and --after", "Name the sets, and the number of the adapter's lines.")
    found = clips.lines(options.data, options.after + (options.lines or 5000))[options.after :]
    if not found:
        raise ConfigError(f"--after {options.after}: --data has no such line", "Use a smaller number, or more sets.")
    return found


SETS: Mapping[str, HeardSet] = {
    "trained": HeardSet(lambda _: lines.trained(), write_readings, ROUND_TRIPS),
    "untaught": HeardSet(untaught, write_readings, ROUND_TRIPS, ".adapter.tsv"),
    "validation": HeardSet(lambda o: lines.validating(o.lines or 330), write_table, BENCHMARKS / "heard_validation"),
    "tested": HeardSet(lambda _: lines.tested(), write_table, BENCHMARKS / "heard"),
}


def make(options: argparse.Namespace) -> None:
    # Training hears the rooms and noises that are made here, so a test in them would flatter.
    if options.set == "tested" and options.noise is None:
        raise ConfigError("tested needs --noise", "Name a folder of rirs_* and noise_* that no training heard.")
    chosen = SETS[options.set]
    wanted = [line for line in chosen.lines(options) if options.language in {None, line.language}]
    speak(wanted, options.audio, options.voices)
    around = options.noise or furnish(options.audio / "around")
    out = options.out or chosen.out
    out.mkdir(parents=True, exist_ok=True)
    for language in sorted({line.language for line in wanted}):
        ours = [line for line in wanted if line.language == language]
        found = hear(listener(language), ours, options.audio, around)
        chosen.write(track(found, language, len(ours), console=notes), out / f"{language}{chosen.suffix}")


def main() -> None:
    with errors_in_a_line():
        make(arguments())


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", choices=SETS)
    parser.add_argument("--audio", type=Path, required=True, help="folder for the recordings")
    parser.add_argument("--voices", help="shell command that makes missing recordings")
    parser.add_argument("--language", choices=VOICES, help="only this language")
    parser.add_argument("--noise", type=Path, help="folder of rirs_* and noise_* (default: made in --audio)")
    parser.add_argument("--lines", type=int, help="validation: lines of each kind (330); untaught: lines (5000)")
    parser.add_argument("--data", type=Path, help="untaught: folder of the training sets")
    parser.add_argument("--after", type=int, help="untaught: the number of lines that the adapter was trained on")
    parser.add_argument("--out", type=Path, help="folder for the files")
    return parser.parse_args(given)


if __name__ == "__main__":
    main()
