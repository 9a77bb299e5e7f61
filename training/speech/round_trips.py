"""Make round trips: training lines that are synthesised and transcribed, as real recognition errors to train on.

    python -m training.speech.round_trips --audio DIR [--voices COMMAND] [--out DIR]

It works like training/speech/transcribed.py, but shares nothing with that test set. It uses training lines, voices that
mix two of Kokoro's (COMMAND reads `a+b` for one), and rooms and noise made here. It writes one TSV file for each
language.
A line holds the sentence, its transcript and the other readings. Training reads these files.
"""

import argparse
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random

import msgspec
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from pipeline.contract.messages import SAMPLE_RATE, Alternative
from pipeline.learning.rows import CLEAN, Row
from pipeline.speech.audio.encode import encode_flac
from training.classifier.noise import ROUND_TRIPS
from training.classifier.sets import authored
from training.commands import errors_in_a_line, notes
from training.speech.sounds import SEED, SOUNDS
from training.speech.transcribed import VOICES, Sentence, TranscribedRow, hear, listener, speak

SHARE: Mapping[str, Mapping[bool, float]] = {"en": {True: 0.025, False: 0.025}, "zh": {True: 0.2173, False: 0.3092}}
"""Shares of the lines, by language and whether they are clean. Mandarin has the largest shares, because it is misheard
most. A hash draws the lines, so that new lines do not change the selection.
"""
REVERBERATION = (0.15, 0.3, 0.5, 0.8)
"""Reverberation times (60 dB) in seconds, from a bedroom to a hall."""
NOISES = ("pink", "brown", "hum", "knocks", "music")
NOISE_SECONDS = 20


class TrainingLine(Sentence):
    @property
    def voice(self) -> str:
        one, other = Random(self.text).sample(sorted({*VOICES[self.language].split()} - {"joe"}), 2)
        return f"{one}+{other}"


def lines() -> list[TrainingLine]:
    """One sentence of each selected pattern."""
    of_pattern = {row.group: row for row in authored.spoken(Path())}
    return [TrainingLine(row.language, row.group, row.text) for row in of_pattern.values() if _drawn(row)]


def _drawn(row: Row) -> bool:
    place = int(hashlib.sha256(row.group.encode()).hexdigest()[:8], 16) / 2**32
    return place < SHARE[row.language][row.labels is CLEAN]


def furnish(folder: Path) -> None:
    """Makes room impulse responses and noises. The result is deterministic."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(SEED)
    for seconds in REVERBERATION:
        fading = echo(random, seconds, 0.1)
        fading[0] = 1.0
        (folder / f"rirs_{seconds}.flac").write_bytes(encode_flac((fading / 2).astype(np.float32)))
    for name in NOISES:
        (folder / f"noise_{name}.flac").write_bytes(
            encode_flac(SOUNDS[name](random, NOISE_SECONDS * SAMPLE_RATE).clip(-1, 1))
        )


def echo(random: np.random.Generator, seconds: float, level: float) -> NDArray[np.float64]:
    """Noise that fades by 60 dB in `seconds`."""
    size = round(seconds * SAMPLE_RATE)
    return random.normal(size=size) * 10 ** (-3 * np.arange(size) / size) * level


def readings(row: TranscribedRow) -> Iterator[str]:
    """The transcript's readings, likeliest first."""
    yield row["heard"]
    for other in msgspec.json.decode(row["alternatives"], type=list[Alternative]):
        yield other.text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audio", type=Path, required=True, help="folder for recordings of lines, rooms and noises")
    parser.add_argument("--voices", help="shell command that makes missing recordings")
    parser.add_argument("--out", type=Path, default=ROUND_TRIPS)
    options = parser.parse_args()
    with errors_in_a_line():
        make(options.audio, options.voices, options.out)


def make(audio: Path, voices: str | None, out: Path) -> None:
    wanted = lines()
    speak(wanted, audio, voices)
    for language in sorted(VOICES):
        if ours := [line for line in wanted if line.language == language]:
            trips(ours, audio, out / f"{language}.tsv")


def trips(wanted: Sequence[TrainingLine], audio: Path, path: Path) -> None:
    """Transcribe lines of one language that are already spoken, and write the readings."""
    language = wanted[0].language
    furnish(audio / "around")
    found = hear(listener({"language": language}), wanted, audio, audio / "around")
    rows = [
        "\t".join([row["text"], *filter(None, readings(row))])
        for row in track(found, language, len(wanted), console=notes)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(rows) + "\n", "utf-8")


if __name__ == "__main__":
    main()
