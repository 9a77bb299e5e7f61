"""Teach Whisper's decoder Mandarin as rooms speak it: our training lines and ordinary talk, in synthesised voices.

    python -m benchmarks.adapter --data DIR --audio DIR [--voices COMMAND] [--lines N] [--out FILE]

`--data` holds the training sets (docs/training.md). Lines are of the training side alone, each in a voice that is two
of Kokoro's mixed half and half, once in quiet and once in a room, in noise or in both, which are made here: as with
benchmarks/round_trips.py, which has the same `--audio` and `--voices`, it has no line, voice, room or noise of the
sets to test on.
"""

import argparse
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import numpy as np
from rich.progress import track

from benchmarks.clips import samples_of
from benchmarks.heard import SURROUNDINGS, among, notes, recording, speak, surroundings
from benchmarks.round_trips import Line, furnish
from pipeline.asr import adapter, weights
from pipeline.asr.adapting import Recipe, Taught, teach
from pipeline.asr.checkpoint import model_of
from pipeline.asr.context import as_trained, with_margin
from pipeline.asr.ct2_engine import CTranslate2, network_of
from pipeline.asr.mel import log_mel
from pipeline.asr.transcriber import Samples
from pipeline.errors import VoxwardenError
from pipeline.judge.training.sets import read
from pipeline.judge.training.train import split
from pipeline.messages import SAMPLE_RATE
from pipeline.settings import Asr

LANGUAGE = "zh"
SETS = ("authored", "kdconv", "crosswoz", "smile_zh", "teleantifraud")
LENGTHS = range(5, 33)
"""Characters of a line."""
MOST_SECONDS = 20.0
PACES = (0.85, 1.35)
PAUSES = (0.1, 0.8)
"""Seconds between lines of one breath."""
JOINED = 3
"""Every so many lines, one is heard with the next ones, too: people do not stop after each sentence."""
MOST_JOINED = 4
NOISY = {kind: count for kind, count in SURROUNDINGS.items() if kind != "quiet"}


def lines(data: Path, count: int) -> list[Line]:
    """So many, in the order of a hash, so that new lines change little of the choice."""
    rows = [row for row in split([*read(data, SETS)])["train"] if row.language == LANGUAGE]
    found = [Line(LANGUAGE, row.source, row.text) for row in rows if len(row.text) in LENGTHS]
    return sorted(found, key=lambda line: line.id)[:count]


def clips(wanted: Sequence[Line], audio: Path, at: int) -> Iterator[tuple[str, Samples]]:
    """A line as it is, and in a room, in noise or both, faster or slower; some with the next ones in one breath."""
    line = wanted[at]
    random = Random(line.text)
    around = surroundings(line, audio / "around", NOISY)
    samples = samples_of(recording(audio, line))
    yield line.text, samples
    yield line.text, among(paced(samples, random.uniform(*PACES)), around)
    if at % JOINED == 0:
        text, samples = joined(wanted[at : at + random.randint(2, MOST_JOINED)], audio, random)
        yield text, among(samples, around) if at % 2 else samples


def paced(samples: Samples, pace: float) -> Samples:
    """So many times as fast, and as high."""
    places = np.arange(0, len(samples) - 1, pace)
    found: Samples = np.interp(places, np.arange(len(samples)), samples).astype(np.float32)
    return found


def joined(spoken: Sequence[Line], audio: Path, random: Random) -> tuple[str, Samples]:
    """Lines one after another with pauses between them."""
    sounds: list[Samples] = []
    for line in spoken:
        pause = np.zeros(int(random.uniform(*PAUSES) * SAMPLE_RATE), np.float32)
        sounds += [samples_of(recording(audio, line)), pause]
    return "，".join(line.text for line in spoken), np.concatenate(sounds[:-1])


def taught(network: CTranslate2, text: str, samples: Samples) -> Taught:
    mel = log_mel(samples, network.bands)
    limit = with_margin(mel)
    encoding = network.encode(as_trained(mel, limit)).astype(np.float16)
    return Taught(text, len(samples) / SAMPLE_RATE, limit, encoding)


def encoded(network: CTranslate2, wanted: Sequence[Line], audio: Path) -> list[Taught]:
    """Every clip of every line, but those that are too long."""

    def of(at: int) -> list[Taught]:
        found = clips(wanted, audio, at)
        return [taught(network, *clip) for clip in found if len(clip[1]) <= MOST_SECONDS * SAMPLE_RATE]

    with ThreadPoolExecutor(network.workers) as pool:
        lessons = track(pool.map(of, range(len(wanted))), "encoding", len(wanted), console=notes)
        return [lesson for some in lessons for lesson in some]


def make(options: argparse.Namespace) -> None:
    wanted = lines(options.data, options.lines)
    speak(wanted, options.audio, options.voices)
    furnish(options.audio / "around")
    asr = Asr()
    found = weights.find(asr)
    heard = encoded(network_of(asr, found), wanted, options.audio)
    factors = teach(model_of(found, "cpu"), LANGUAGE, heard, Recipe(), notes.print)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    np.savez(options.out, allow_pickle=False, **factors)


def main() -> None:
    try:
        make(arguments())
    except VoxwardenError as error:
        notes.print(f"[red]{error}[/]")
        raise SystemExit(2) from error


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the training sets")
    parser.add_argument("--audio", type=Path, required=True, help="recordings of the lines; rooms and noises go there")
    parser.add_argument("--voices", help="a shell command that speaks what is missing")
    parser.add_argument("--lines", type=int, default=4000, help="so many are drawn (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=adapter.SHIPPED / f"base.{LANGUAGE}.npz")
    return parser.parse_args(given)


if __name__ == "__main__":
    main()
