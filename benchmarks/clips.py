"""Clips with their words, sounds without any, and how many words a recogniser got wrong.

A folder of clips has `refs.tsv` with the columns file, language, source, seconds, reference. English is scored by words
after Whisper's own normaliser; Mandarin by characters, simplified, without punctuation; clean and hard clips apart.
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import jiwer
import numpy as np
from opencc import OpenCC

from pipeline.asr.transcriber import Samples
from pipeline.audio.decode import read_file
from pipeline.messages import SAMPLE_RATE

CLEAN = {"en": frozenset({"asterisk", "librivox", "synthesised"}), "zh": frozenset({"fireredasr", "synthesised"})}
"""Sources of clear, near speech; other English is sung or noisy, other Mandarin far, fast, sung or dialect."""

SEED = 4
SOUND_SECONDS = (1.0, 3.0, 6.0)

Sound = Callable[[np.random.Generator, int], Samples]
"""Makes so many samples."""


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


def samples_of(file: Path) -> Samples:
    return np.concatenate(list(read_file(file)))


def normalisers() -> dict[str, Callable[[str], str]]:
    from whisper.normalizers import EnglishTextNormalizer  # PyTorch must not come before pipeline's OpenMP settings

    return {"en": EnglishTextNormalizer(), "zh": characters}


def characters(text: str) -> str:
    """The letters and digits of a Mandarin text in simplified script, with spaces between."""
    return " ".join(letter for letter in _simplified().convert(text).lower() if letter.isalnum())


@cache
def _simplified() -> OpenCC:
    return OpenCC("t2s")


def errors(refs: Sequence[Reference], texts: Sequence[str]) -> Iterator[tuple[str, float, int]]:
    """(group, error rate in per cent, words or characters) for each group of clips, and all English together."""
    normalise = normalisers()
    groups = sorted({ref.group for ref in refs} | {ref.language for ref in refs})
    for group in groups:
        pairs = [(ref, text) for ref, text in zip(refs, texts, strict=True) if group in {ref.group, ref.language}]
        wanted = [normalise[ref.language](ref.text) for ref, _ in pairs]
        heard = [normalise[ref.language](text) for ref, text in pairs]
        yield group, 100 * jiwer.wer(wanted, heard), sum(len(text.split()) for text in wanted)


def wordless(folder: Path) -> dict[str, Samples]:
    """Sounds that nobody speaks in: silence, noise, hums, knocks, music; and recordings in `folder`/noise."""
    random = np.random.default_rng(SEED)
    made = {
        f"{name} {s:g} s": make(random, round(s * SAMPLE_RATE)) for name, make in SOUNDS.items() for s in SOUND_SECONDS
    }
    recorded = {path.stem: samples_of(path)[: 15 * SAMPLE_RATE] for path in sorted((folder / "noise").glob("*"))}
    return made | recorded


def _coloured(power: float, level: float) -> Sound:
    """Noise whose amplitude falls with frequency to `power`: 0 is white, 0.5 pink, 1 brown."""

    def make(random: np.random.Generator, size: int) -> Samples:
        spectrum = np.fft.rfft(random.normal(size=size))
        spectrum[1:] /= np.arange(1, len(spectrum)) ** power
        return _at(level, np.fft.irfft(spectrum, size))

    return make


def _hum(random: np.random.Generator, size: int) -> Samples:
    return _at(
        0.05, sum(_tone(50 * harmonic, size) / harmonic for harmonic in (1, 2, 3, 5)) + random.normal(0, 0.01, size)
    )


def _knocks(random: np.random.Generator, size: int) -> Samples:
    beats = (random.random(size) < 3 / SAMPLE_RATE).astype(float)
    thud = np.exp(-np.arange(SAMPLE_RATE // 5) / 800) * random.normal(size=SAMPLE_RATE // 5)
    return _at(0.05, np.convolve(beats, thud)[:size] + random.normal(0, 1e-3, size))


def _music(random: np.random.Generator, size: int) -> Samples:
    """Chords of plucked tones with overtones, two a second."""
    beat = SAMPLE_RATE // 2
    fade = np.exp(-np.arange(beat) / 4_000)
    roots = random.choice([220.0, 247.0, 262.0, 294.0, 330.0, 392.0], size // beat + 1)
    notes = [
        fade * sum(_tone(root * step * o, beat) / o for step in (1, 1.25, 1.5) for o in (1, 2, 3)) for root in roots
    ]
    return _at(0.1, np.concatenate(notes)[:size])


def _tone(frequency: float, size: int) -> Any:
    return np.sin(2 * np.pi * frequency * np.arange(size) / SAMPLE_RATE)


def _at(level: float, wave: Any) -> Samples:
    """At a root mean square of `level`."""
    levelled: Samples = (wave * level / max(float(np.sqrt(np.mean(np.square(wave)))), 1e-9)).astype(np.float32)
    return levelled


SOUNDS: dict[str, Sound] = {
    "silence": lambda _, size: np.zeros(size, np.float32),
    "hiss": _coloured(0, 1e-3),
    "white": _coloured(0, 0.1),
    "pink": _coloured(0.5, 0.05),
    "brown": _coloured(1, 0.05),
    "hum": _hum,
    "knocks": _knocks,
    "music": _music,
}
