"""Make a set of synthesised clips with their texts, large enough to tell error rates apart by a third of a point.

    python -m training.speech.synthesise --speaker FILE --voices DIR --en TABLE --zh TABLE --clips DIR [--count 300]

`FILE` is Python with a function `speak(text, language, voice, voices)` that returns 24 kHz samples. Run this command
with a Python that has its dependencies and `soundfile`. `TABLE` is CSV with a column `text`; short plain sentences are
drawn from it. `--clips` becomes a folder with `refs.tsv`, as benchmarks/asr.py reads it. Existing clips are kept.
"""

import argparse
import csv
import re
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from random import Random
from typing import Any

import soundfile

RATE = 24_000
SEED = 1
PLAIN = {
    "en": re.compile(r"[A-Z][a-z']*(,? [A-Za-z][a-z']*){3,17}[.?!]"),
    "zh": re.compile(r"[\u4e00-\u9fff，]{4,32}[。？！]?"),
}
"""Sentences that are spoken as they are written: no digits, abbreviations or emoticons."""

VOICES = {"en": "[ab][fm]_*.bin", "zh": "z[fm]_*.bin"}

Speak = Callable[..., Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("speaker", "voices", "en", "zh", "clips"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--count", type=int, default=300, help="sentences of each language")
    options = parser.parse_args()
    options.clips.mkdir(parents=True, exist_ok=True)
    speak = speaker_of(options.speaker)
    with (options.clips / "refs.tsv").open("w", encoding="utf-8") as file:
        file.write("file\tlanguage\tsource\tseconds\treference\n")
        for language, table in (("en", options.en), ("zh", options.zh)):
            for row in spoken(speak, language, sentences(table, language, options.count), options):
                file.write("\t".join(row) + "\n")
                file.flush()


def speaker_of(path: Path) -> Speak:
    spec = spec_from_file_location("speaker", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} is not a Python file")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    speak: Speak = module.speak
    return speak


def sentences(table: Path, language: str, count: int) -> list[str]:
    """A sample of the table's plain sentences, without repeats."""
    with table.open(encoding="utf-8") as file:
        texts = (row["text"].strip() for row in csv.DictReader(file))
        found = sorted({text for text in texts if PLAIN[language].fullmatch(text)})
    return Random(SEED).sample(found, min(count, len(found)))


def spoken(speak: Speak, language: str, texts: list[str], options: argparse.Namespace) -> Iterator[tuple[str, ...]]:
    voices = sorted(path.stem for path in options.voices.glob(VOICES[language]))
    for number, text in enumerate(texts):
        path = options.clips / f"{language}-{number:03}.flac"
        if not path.exists():
            soundfile.write(path, speak(text, language, voices[number % len(voices)], options.voices), RATE)
        yield path.name, language, "synthesised", f"{soundfile.info(path).duration:.2f}", text


if __name__ == "__main__":
    main()
