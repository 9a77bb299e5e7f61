"""Clips with their texts, sounds without words, and error rates of recognisers.

A folder of clips has `refs.tsv` with the columns file, language, source, seconds, reference. English is scored by words
after Whisper's own normaliser. Mandarin is scored by simplified characters without punctuation. Clean and hard clips
are scored separately.
"""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import jiwer
import numpy as np

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


def errors(refs: Sequence[Reference], texts: Sequence[str]) -> Iterator[tuple[str, float, int]]:
    """(group, error rate in per cent, words or characters) for each group of clips, and for all English together."""
    normalise = normalisers()
    groups = sorted({ref.group for ref in refs} | {ref.language for ref in refs})
    for group in groups:
        pairs = [(ref, text) for ref, text in zip(refs, texts, strict=True) if group in {ref.group, ref.language}]
        wanted = [normalise[ref.language](ref.text) for ref, _ in pairs]
        recognised = [normalise[ref.language](text) for ref, text in pairs]
        yield group, 100 * jiwer.wer(wanted, recognised), sum(len(text.split()) for text in wanted)


def wordless(folder: Path) -> dict[str, Samples]:
    """Sounds without speech: silence, noise, hums, knocks, music, and the recordings in `folder`/noise."""
    random = np.random.default_rng(SEED)
    made = {
        f"{name} {s:g} s": make(random, round(s * SAMPLE_RATE)) for name, make in SOUNDS.items() for s in SOUND_SECONDS
    }
    recorded = {path.stem: samples_of(path)[: 15 * SAMPLE_RATE] for path in sorted((folder / "noise").glob("*"))}
    return made | recorded
