"""Measure how many live rooms a machine can process. Rooms talk in real time through the whole local pipeline.

    python -m benchmarks.rooms --rooms 10 20 40 [--workers 1 2] [--seconds 90] [--clips DIR ...] [--early 0 0.5]
        [--patience 0.3 3600]

In each room people speak 40% of the time, one after the other. They say the FLAC clips of the folders, up to 12 s
(default: all of tests/data, which is English; tests/data/mandarin has Mandarin).
Waits are from the end of an utterance, and from a moment in it, until its flag is in the store. They include the
pause that ends an utterance. Records that wait for a stage at the end show that the machine cannot keep up. `--workers`
sets asr.workers. `--early` sets asr.early_share: 0 is without early recognition, and each other value is compared with
it. `--patience` sets asr.adapter_patience_seconds, and the table shows how many clips the adapter read or skipped. The
result is the largest number of rooms with p95 within 1.5 s (and 10 s from a word).
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, product
from pathlib import Path
from random import Random

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.speech import clips as bundled
from pipeline.asr.transcriber import Samples
from pipeline.audio.decode import samples_of
from pipeline.audio.encode import to_pcm16
from pipeline.cores import cores
from pipeline.local import LocalRunner
from pipeline.messages import SAMPLE_RATE, AudioChunk, Flag, Message, Transcript
from pipeline.metrics import Metrics
from pipeline.review.evidence.lookback import open_lookback
from pipeline.settings import Asr, Settings
from pipeline.topology import DELIVER, STAGES, Stage

SHARE = 0.4
"""Share of the time in which somebody speaks."""
WARM_SECONDS = 10.0
"""Not counted, because rooms start one after the other."""
LIMITS = {"speech": 1.5, "word": 10.0}
FRAME_SECONDS = 0.1
"""Audio that an app sends at a time, as the client of docs/integrate.md does."""
LONGEST_SECONDS = 12.0
STEPS = (0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0)


@dataclass
class Waits:
    """A Tap that records seconds from speech to flag."""

    since: float
    speech: list[float] = field(default_factory=list)
    word: list[float] = field(default_factory=list)
    texts: int = 0
    spoken: float = 0.0

    def __call__(self, stage: Stage, batch: Sequence[Message], outputs: Sequence[object]) -> None:
        now = time.time()
        for flag in batch if stage is DELIVER else ():
            if isinstance(flag, Flag) and flag.start > self.since:
                self.speech.append(now - flag.end)
                self.word += [now - moment for moment in np.linspace(flag.start, flag.end, 10)]
                self.spoken += flag.end - flag.start
        self.texts += sum(isinstance(each, Transcript) and bool(each.text) for each in outputs)


@dataclass(frozen=True)
class Run:
    """Rooms in real time: their waits, and two counts at the end."""

    waits: Waits
    waiting: str
    """Messages that wait for each stage."""
    early: str
    """Early utterances by result."""
    adapter: str
    """Transcripts by the adapter's reading: read and skipped."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rooms", type=int, nargs="+", required=True)
    parser.add_argument("--workers", type=int, nargs="+", default=[cores()])
    parser.add_argument("--seconds", type=float, default=90.0)
    parser.add_argument("--clips", type=Path, nargs="+", default=[])
    parser.add_argument("--early", type=float, nargs="+", default=[0.0, Asr().early_share])
    parser.add_argument("--patience", type=float, nargs="+", default=[Asr().adapter_patience_seconds])
    options = parser.parse_args()
    if options.seconds <= WARM_SECONDS:
        parser.error(f"--seconds must be more than {WARM_SECONDS:g}: speech before that does not count")
    speech = spoken(options.clips)
    table = Table(
        "workers",
        "rooms",
        "patience",
        "early",
        "utterances",
        "speech s/s",
        "p50 s",
        "p95 s",
        "word p95 s",
        "waiting",
        "sustained",
        "used/discarded/declined",
        "read/skipped",
    )
    lines = []
    for workers, number, patience in product(options.workers, options.rooms, options.patience):
        asr = Asr(workers=workers, adapter_patience_seconds=patience)
        runs = [
            asyncio.run(live(number, asr.model_copy(update={"early_share": share}), options.seconds, speech))
            for share in options.early
        ]
        for share, run in zip(options.early, runs, strict=True):
            name = (str(workers), str(number), f"{patience:g}", f"{share:g}")
            table.add_row(*name, *row(run, options.seconds - WARM_SECONDS))
            lines.append("{} workers, {} rooms, patience {}, early {}: ".format(*name) + histogram(run.waits.speech))
        lines += compared(dict(zip(options.early, runs, strict=True)))
    Console(width=160).print(table, *lines, sep="\n")


def row(run: Run, seconds: float) -> list[str]:
    """The cells of a run in which speech counted for `seconds`."""
    p50, p95 = np.percentile(run.waits.speech, (50, 95))
    word = np.percentile(run.waits.word, 95)
    sustained = p95 <= LIMITS["speech"] and word <= LIMITS["word"]
    return [
        str(len(run.waits.speech)),
        f"{run.waits.spoken / seconds:.1f}",
        f"{p50:.2f}",
        f"{p95:.2f}",
        f"{word:.2f}",
        run.waiting,
        "yes" if sustained else "no",
        run.early,
        run.adapter,
    ]


def compared(runs: Mapping[float, Run]) -> list[str]:
    """The waits of each run, divided by those of the run without early recognition."""
    if 0.0 not in runs:
        return []
    before = np.percentile(runs[0.0].waits.speech, (50, 95))
    ratios = {share: np.percentile(run.waits.speech, (50, 95)) / before for share, run in runs.items() if share}
    return [f"early {share:g}: p50 ×{p50:.2f}, p95 ×{p95:.2f} of that without" for share, (p50, p95) in ratios.items()]


def spoken(folders: Sequence[Path]) -> Sequence[Samples]:
    if not folders:
        return bundled()
    found = [samples_of(path) for folder in folders for path in sorted(folder.glob("*.flac"))]
    return [samples for samples in found if len(samples) <= LONGEST_SECONDS * SAMPLE_RATE]


def histogram(waits: Sequence[float]) -> str:
    """Share of the waits up to each step."""
    return "  ".join(f"≤{step:g} s {np.mean(np.array(waits) <= step):.0%}" for step in STEPS)


async def live(number: int, asr: Asr, seconds: float, speech: Sequence[Samples]) -> Run:
    """Let rooms talk in real time."""
    metrics = Metrics()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), asr=asr)
        waits = Waits(time.time())
        async with LocalRunner(settings, metrics, waits, lookback=open_lookback(settings)) as runner:
            started = time.time()
            waits.since = started + WARM_SECONDS
            rooms = [talk(f"room-{room}", started, speech, Random(room)) for room in range(number)]
            for frame in range(round(seconds / FRAME_SECONDS)):
                for room in rooms:
                    await runner.put(next(room))
                await asyncio.sleep(max(0.0, started + (frame + 1) * FRAME_SECONDS - time.time()))
            waiting = counts(metrics, "voxwarden_queue_messages", "stage", [stage.name for stage in STAGES])
        early = counts(metrics, "voxwarden_early_utterances_total", "result", ["used", "discarded", "declined"])
        adapter = counts(metrics, "voxwarden_adapter_readings_total", "result", ["read", "skipped"])
    return Run(waits, waiting, early, adapter)


def talk(room: str, started: float, speech: Sequence[Samples], random: Random) -> Iterator[AudioChunk]:
    """One frame at a time, each with the time at which it has been spoken to its end."""
    samples = np.zeros(round(random.uniform(0, 8) * SAMPLE_RATE), np.float32)
    size = round(FRAME_SECONDS * SAMPLE_RATE)
    for sequence in count():
        while len(samples) < size:
            clip = random.choice(speech)
            pause = np.zeros(round(len(clip) * (1 - SHARE) / SHARE), np.float32)
            samples = np.concatenate([samples, clip, pause])
        frame, samples = samples[:size], samples[size:]
        start = started + (sequence - 1) * FRAME_SECONDS
        yield AudioChunk(room=room, speaker="a", start=start, sequence=sequence, data=to_pcm16(frame))


def counts(metrics: Metrics, name: str, label: str, values: Sequence[str]) -> str:
    found = (metrics.registry.get_sample_value(name, {label: value}) for value in values)
    return "/".join(f"{count or 0:.0f}" for count in found)


if __name__ == "__main__":
    main()
