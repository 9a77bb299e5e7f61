"""Measure how many live rooms a machine can process. Rooms talk in real time through the whole local pipeline.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.rooms --rooms 10 20 40 [--workers 1 2] [--seconds 90] [--warm 10]
        [--clips DIR ...] [--device cpu] [--early 0 0.5] [--so-far 0 3 --turn 15] [--sounds none all [--bank 1000]]
        [--repeats 3]

In each room people speak 40% of the time, one after the other. They say the FLAC clips of the folders, up to 12 s
(default: all of tests/data, which is English; tests/data/mandarin has Mandarin). With `--turn 15` each one speaks for
15 s in one go: clips without their pauses. Waits are from the end of an utterance, and from a moment in it, until its
flag is in the store. They include the pause that ends an utterance. A GPU is used if there is one, or see `--device`.
Records that wait for a stage at the end show that the machine cannot keep up. `--workers` sets asr.workers. `--early`
is the share of early recognition that may be wasted: 0 is without any. `--so-far` sets audio.early_seconds: 0 is
without early flags. Then a word counts from the moment in it until the judge has read it, or its flag is stored. The
last lines compare all runs with those without: waits, and the CPU time of transcribe, on Linux. The table shows how
many clips the adapter read or skipped. The result is the largest number of rooms with p95 within 1.5 s (and 10 s from a
word).

`--sounds all` runs the same rooms with all sounds of listen.sounds, and with `--bank` made recordings of three minutes
to compare with. Those of YAMNet need its file: `--yamnet FILE`. `none` is without all of them. The last lines tell the
CPU time of listen against that of transcribe in the same run, too. Words must not wait for sounds: at most 5% longer,
and listen takes at most 15% of the CPU of transcribe.
`--repeats` runs all in turn, so that other work on the machine disturbs both. Set OPENBLAS_NUM_THREADS=1, or the
threads of BLAS count for no stage.
"""

import asyncio
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import count, product
from pathlib import Path
from random import Random
from typing import NamedTuple, get_args
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from benchmarks import report
from benchmarks.fingerprints import Played, bank_of, filled
from benchmarks.stage_cpu import StageTimes, build_named
from pipeline.base.cpu_cores import cores
from pipeline.base.metrics import Metrics
from pipeline.contract.messages import (
    EARLY_SECONDS,
    OF_YAMNET,
    SAMPLE_RATE,
    AudioChunk,
    EventKind,
    Flag,
    Message,
    Transcript,
)
from pipeline.contract.topology import DELIVER, JUDGE, LISTEN, STAGES, TRANSCRIBE, Stage
from pipeline.review import recording_bank
from pipeline.review.database import Database
from pipeline.review.evidence.lookback import open_lookback
from pipeline.runner.local import LocalRunner
from pipeline.settings import Asr, Audio, ListenSettings, Settings
from pipeline.sound.fingerprints.fingerprint import Fingerprint
from pipeline.speech.asr import transcribe_stage
from pipeline.speech.asr.recogniser import Samples
from pipeline.speech.audio.decode import samples_of
from pipeline.speech.audio.encode import to_pcm16
from tests.pipeline.sound.songs import song
from tests.speech import clips as bundled
from tests.speech import unbroken

SHARE = 0.4
"""Share of the time in which somebody speaks."""
WARM_SECONDS = 10.0
"""Speech in them does not count, because rooms start one after the other."""
LIMITS = {"speech": 1.5, "word": 10.0}
FRAME_SECONDS = 0.1
"""Audio that an app sends at a time, as the client of docs/integrate.md does."""
LONGEST_SECONDS = 12.0
SONGS = 5
"""Songs of a minute, whose landmarks fill the bank."""
SEED = 31


@dataclass
class Waits:
    """A Tap that records seconds from speech to flag."""

    since: float
    times: StageTimes | None = None
    speech: list[float] = field(default_factory=list)
    word: list[float] = field(default_factory=list)
    so_far: dict[tuple[str, float], list[tuple[float, float]]] = field(default_factory=dict)
    """By room and start of the speech: until when it was judged, and at what time."""
    texts: int = 0
    spoken: float = 0.0
    cpu: Mapping[str, float] = field(default_factory=dict)
    """CPU seconds by stage until the last flag was stored; empty if the system does not tell them."""

    def __call__(self, stage: Stage, batch: Sequence[Message], outputs: Sequence[object]) -> None:
        now = time.time()
        if self.times and stage.name == DELIVER.name and batch:
            self.cpu = self.times.seconds()
        for words in batch if stage.name == JUDGE.name else ():
            if isinstance(words, Transcript) and words.early:
                self.so_far.setdefault((words.room, words.start), []).append((words.end, now))
        for flag in batch if stage.name == DELIVER.name else ():
            if isinstance(flag, Flag) and flag.source == "words" and flag.start > self.since and not flag.early:
                self.speech.append(now - flag.end)
                judged = [*self.so_far.pop((flag.room, flag.start), ()), (flag.end, now)]
                moments = np.linspace(flag.start, flag.end, 10)
                self.word += [min(at for end, at in judged if end >= moment) - moment for moment in moments]
                self.spoken += flag.end - flag.start
        self.texts += sum(isinstance(each, Transcript) and bool(each.text) for each in outputs)


class Setup(NamedTuple):
    """What differs between the runs of the same rooms."""

    early: float
    so_far: float
    sounds: str


@dataclass(frozen=True)
class Run:
    """Rooms in real time: their waits, and the counts at the end."""

    waits: Waits
    waiting: str
    """Messages that wait for each stage."""
    early: str
    """Early utterances by result."""
    adapter: str
    """Transcripts by the adapter's reading: read and skipped."""
    listened: str
    """Chunks that the stage listen took and left out."""

    @property
    def listening(self) -> float:
        """CPU time of listen against that of transcribe. NaN if it is unknown."""
        cpu = self.waits.cpu
        return cpu.get(LISTEN.name, 0.0) / cpu[TRANSCRIBE.name] if cpu.get(TRANSCRIBE.name) else float("nan")


def main() -> None:
    parser = report.parser(__doc__)
    parser.add_argument("--rooms", type=int, nargs="+", required=True)
    parser.add_argument("--workers", type=int, nargs="+", default=[cores()])
    parser.add_argument("--seconds", type=float, default=90.0)
    parser.add_argument("--warm", type=float, default=WARM_SECONDS, help="first seconds, which do not count")
    parser.add_argument("--clips", type=Path, nargs="+", default=[])
    parser.add_argument("--device", default="auto", help="as asr.device, e.g. cpu where there is a GPU")
    parser.add_argument("--early", type=float, nargs="+", default=[0.0, transcribe_stage.EARLY_SHARE])
    parser.add_argument("--so-far", type=float, nargs="+", default=[EARLY_SECONDS])
    parser.add_argument("--turn", type=float, default=0.0, help="seconds in one go; 0: a clip with its pauses")
    parser.add_argument("--sounds", choices=("none", "all"), nargs="+", default=["none"])
    parser.add_argument("--bank", type=int, default=1_000, help="recordings of `--sounds all`")
    parser.add_argument("--yamnet", type=Path, help="the file of YAMNet, whose sounds are then heard, too")
    parser.add_argument("--repeats", type=int, default=1)
    options = parser.parse_args()
    if options.seconds <= options.warm:
        parser.error("--seconds must be more than --warm: speech before that does not count")
    speech = spoken(options.clips)
    speech = turns(speech, options.turn) if options.turn else speech
    banned = made_bank(options.bank) if "all" in options.sounds else []
    setups = [Setup(*each) for each in product(options.early, options.so_far, options.sounds)]
    rows, lines = list[dict[str, str]](), list[str]()
    for workers, number in product(options.workers, options.rooms):
        asr = Asr(workers=workers, device=options.device)
        runs: dict[Setup, list[Run]] = {setup: [] for setup in setups}
        for _, setup in product(range(options.repeats), setups):
            heard = (every_sound(options.yamnet), banned) if setup.sounds == "all" else (ListenSettings(), ())
            with patch.object(transcribe_stage, "EARLY_SHARE", setup.early):
                audio = Audio(early_seconds=setup.so_far)
                run = asyncio.run(live(number, asr, audio, options.seconds, options.warm, speech, *heard))
            runs[setup].append(run)
            name = {"workers": workers, "rooms": number} | setup._asdict()
            rows.append({key: f"{each}" for key, each in name.items()} | row(run, options.seconds - options.warm))
        lines += compared(runs)
    table = Table(*rows[0])
    for each in rows:
        table.add_row(*each.values())
    report.show(table, *lines)


def every_sound(yamnet: Path | None) -> ListenSettings:
    """All sounds, but those of YAMNet only if its file is at hand."""
    sounds = tuple(kind for kind in get_args(EventKind) if yamnet or kind not in OF_YAMNET)
    return ListenSettings(sounds=sounds, yamnet=yamnet)


def row(run: Run, seconds: float) -> dict[str, str]:
    """The cells of a run in which speech counted for `seconds`."""
    (p50, p95), (word50, word95) = (np.percentile(each, (50, 95)) for each in (run.waits.speech, run.waits.word))
    return {
        "utterances": str(len(run.waits.speech)),
        "speech s/s": f"{run.waits.spoken / seconds:.1f}",
        "p50, p95 s": f"{p50:.2f}, {p95:.2f}",
        f"within {LIMITS['speech']:g} s": f"{np.mean(np.array(run.waits.speech) <= LIMITS['speech']):.0%}",
        "word p50, p95 s": f"{word50:.2f}, {word95:.2f}",
        "waiting": run.waiting,
        "sustained": "yes" if p95 <= LIMITS["speech"] and word95 <= LIMITS["word"] else "no",
        "used/discarded/declined": run.early,
        "read/skipped": run.adapter,
        "listened/left out": run.listened,
        "CPU s: listen/transcribe": "/".join(f"{run.waits.cpu.get(s.name, 0):.1f}" for s in (LISTEN, TRANSCRIBE)),
    }


def compared(runs: Mapping[Setup, Sequence[Run]]) -> Iterator[str]:
    """Waits and CPU time of transcribe with each thing, divided by those without it, and the share of listen in it."""
    for (setup, with_it), (name, off) in product(runs.items(), Setup(0.0, 0.0, "none")._asdict().items()):
        without = runs.get(setup._replace(**{name: off}))
        if getattr(setup, name) != off and without:
            ratios = [f"×{each:.3f}" for each in (*(waits(with_it) / waits(without)), cpu(with_it) / cpu(without))]
            times = "speech p50 {}, p95 {}, word p50 {}, p95 {}, CPU of transcribe {}".format(*ratios)
            share = np.mean([run.listening for run in with_it])
            yield f"{setup}, of that without {name}: {times}; listen takes {share:.1%} of the CPU time of transcribe"


def cpu(runs: Iterable[Run]) -> float:
    return sum(run.waits.cpu.get(TRANSCRIBE.name, 0.0) for run in runs) or float("nan")


def waits(runs: Iterable[Run]) -> NDArray[np.float64]:
    """The median and the 95th percentile of the waits for speech, then of those for a word, in seconds, shape (4,)."""
    found = [run.waits for run in runs]
    both = ([wait for each in found for wait in each.speech], [wait for each in found for wait in each.word])
    return np.concatenate([np.percentile(each, (50, 95)) for each in both])


def made_bank(size: int) -> list[Fingerprint]:
    """Recordings for the bank: the landmarks of made songs at random times."""
    random = np.random.default_rng(SEED)
    songs = bank_of([Played("songs", song(random, 60 * SAMPLE_RATE)) for _ in range(SONGS)])
    return [*filled(songs, size, random)]


def ban(url: str, banned: Iterable[Fingerprint]) -> None:
    """Put the recordings into the bank of a new store."""
    with closing(Database(url)) as database, database.write() as connection:
        for each in banned:
            recording_bank.add_recording(connection, each)


def spoken(folders: Sequence[Path]) -> Sequence[Samples]:
    if not folders:
        return bundled()
    found = [samples_of(path) for folder in folders for path in sorted(folder.glob("*.flac"))]
    return [samples for samples in found if len(samples) <= LONGEST_SECONDS * SAMPLE_RATE]


def turns(speech: Sequence[Samples], seconds: float) -> Sequence[Samples]:
    """Speech of so many seconds in one go."""
    whole, size = unbroken(*speech), round(seconds * SAMPLE_RATE)
    return [whole[at : at + size] for at in range(0, len(whole) - size + 1, size)]


async def live(
    number: int,
    asr: Asr,
    audio: Audio,
    seconds: float,
    warm: float,
    speech: Sequence[Samples],
    sounds: ListenSettings,
    banned: Sequence[Fingerprint],
) -> Run:
    """Let rooms talk in real time. Speech of the first `warm` seconds does not count. `banned` is the bank."""
    metrics = Metrics()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), asr=asr, audio=audio, listen=sounds)
        ban(settings.database_url, banned)
        tap, lookback = Waits(time.time()), open_lookback(settings)
        async with LocalRunner(settings, metrics, tap, lookback=lookback, build=build_named) as runner:
            started, tap.times = time.time(), StageTimes()
            tap.since = started + warm
            rooms = [talk(f"room-{room}", started, speech, Random(room)) for room in range(number)]
            for frame in range(round(seconds / FRAME_SECONDS)):
                for room in rooms:
                    await runner.put(next(room))
                await asyncio.sleep(max(0.0, started + (frame + 1) * FRAME_SECONDS - time.time()))
            waiting = counts(metrics, "voxwarden_queue_messages", "stage", [stage.name for stage in STAGES])
        early = counts(metrics, "voxwarden_early_utterances_total", "result", ["used", "discarded", "declined"])
        adapter = counts(metrics, "voxwarden_adapter_readings_total", "result", ["read", "skipped"])
        listened = counts(metrics, "voxwarden_listened_chunks_total", "result", ["heard", "skipped"])
    return Run(tap, waiting, early, adapter, listened)


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
