"""Measure whether memory stays bounded. Prints the resident size during the run, and the growth from first to last.

    python -m benchmarks.memory file [--hours 8]           an MP3 file, decoded and cut as `moderate` does
    python -m benchmarks.memory speakers [--speakers 200]  open speakers who talk without end, a second at a time
    python -m benchmarks.memory run [--hours 8]            six speakers in `voxwarden run`, who come and go
    python -m benchmarks.memory live [--hours 1]           six rooms in `voxwarden run`, with all models, in real time

`file`, `speakers` and `live` repeat the speech of `tests/data`. `run` has noise, and fakes replace voice detector,
Whisper and classifier, so that an hour takes half a minute. All else is real: journal, look-back, sounds, lexicon,
store, clips.
"""

import asyncio
import io
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path
from random import Random
from typing import Any

import av
import numpy as np
from msgspec import structs

from benchmarks import report
from benchmarks.attacks import PORTS, TOKENS, voxwarden
from benchmarks.capacity.microphones import playing
from benchmarks.capacity.scene import LoadScene
from benchmarks.fast_worker import careless
from pipeline.base.metrics import Metrics
from pipeline.contract.messages import SAMPLE_RATE, AudioChunk, Transcript, Utterance
from pipeline.contract.stage import Processor
from pipeline.contract.topology import Stage
from pipeline.review.evidence.lookback import open_lookback
from pipeline.runner.local import LocalRunner
from pipeline.runner.stage_processor import build_processor
from pipeline.settings import Settings, load
from pipeline.speech.asr.transcripts import transcript_of
from pipeline.speech.audio import vad
from pipeline.speech.audio.encode import to_pcm16
from pipeline.speech.audio.recording_parts import chunks_of
from pipeline.speech.audio.resample import Samples
from pipeline.speech.audio.segment_stage import Segment, build
from tests.speech import clips

MEBIBYTE = 1024 * 1024
REPORTS = 12
SPEAKERS = 6
SETTLE_SECONDS = 120
"""Seconds of a run after which its queues may become empty. Stages tick only then."""
TICKS_SECONDS = 0.7
WORDS = ("the game", "was good", "and then", "we went", "over there", "to see", "a friend", "by the river")


def resident(process: int | str = "self") -> float:
    """Current resident set size of a process in MiB (not its peak)."""
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


def speech() -> Samples:
    return np.concatenate(clips())


def write_long_file(path: Path, hours: float) -> None:
    """A minute of MP3 frames, repeated, without a length tag. It plays as one recording."""
    frame = av.AudioFrame.from_ndarray(np.resize(speech(), 60 * SAMPLE_RATE)[None], format="fltp", layout="mono")
    frame.sample_rate = SAMPLE_RATE
    minute = io.BytesIO()
    with av.open(minute, "w", format="mp3", options={"write_xing": "0", "id3v2_version": "0"}) as output:
        stream = output.add_stream("libmp3lame", rate=SAMPLE_RATE, layout="mono")
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    with path.open("wb") as file:
        for _ in range(round(hours * 60)):
            file.write(minute.getvalue())


class MemoryReport:
    """Prints a line now and then, and the total at the end."""

    def __init__(self, every: int, process: int | str = "self") -> None:
        self._every = every
        self._process = process
        self._sizes: list[float] = []
        self.utterances = 0

    def count(self, results: Sequence[object]) -> None:
        self.utterances += len(results)

    def at(self, second: int) -> None:
        if second and second % self._every == 0:
            self._sizes.append(resident(self._process))
            print(f"{second:>8,} s   {self.utterances:>8,} utterances   {self._sizes[-1]:8.1f} MiB", flush=True)

    def end(self) -> None:
        print(f"growth from first to last line: {self._sizes[-1] - self._sizes[0]:+.1f} MiB")


def stage() -> Segment:
    return build(load(), Metrics())


def utterances(segment: Segment, chunks: list[AudioChunk]) -> list[Utterance]:
    return [result for result in segment.process(chunks) if isinstance(result, Utterance)]


def file(hours: float) -> None:
    segment, report = stage(), MemoryReport(max(1, round(hours * 3600 / REPORTS)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.mp3"
        write_long_file(path, hours)
        print(f"{path.name}: {hours:g} h, {path.stat().st_size / MEBIBYTE:.0f} MiB", flush=True)
        for chunk in chunks_of(path, "room", "speaker"):
            report.count(utterances(segment, [chunk]))
            report.at(chunk.sequence)
    report.end()


def endless() -> Iterator[AudioChunk]:
    """One speaker who talks without end."""
    for second, block in enumerate(cycle(np.split(np.resize(speech(), 60 * SAMPLE_RATE), 60))):
        yield AudioChunk(room="room", speaker="any", start=float(second), sequence=second, data=to_pcm16(block))


def speakers(number: int, minutes: float) -> None:
    total = round(minutes * 60)
    segment, report = stage(), MemoryReport(max(1, total // REPORTS))
    most = 0.0
    for second, chunk in zip(range(total + 1), endless(), strict=False):
        report.count(utterances(segment, [structs.replace(chunk, speaker=f"s{n}") for n in range(number)]))
        most = max(most, sum(segment.held_seconds()))
        report.at(second)
    print(f"audio in hand of {number} speakers, at most: {most:,.0f} s, {most * SAMPLE_RATE * 4 / MEBIBYTE:.1f} MiB")
    report.end()


class Loud(vad.Vad):
    """Hears speech in everything but digital silence."""

    def __init__(self) -> None:
        """Loads nothing."""

    def probabilities(self, samples: Samples, memory: Any) -> Samples:
        del memory
        return np.asarray(samples.reshape(-1, vad.WINDOW).any(axis=1), np.float32)


class Words(Processor[Utterance, Transcript]):
    """Hears random words, and one threat in 50 utterances."""

    def __init__(self) -> None:
        self._random = Random(1)

    def process(self, batch: Sequence[Utterance]) -> list[Any]:
        return [transcript_of(each, text=self._text(), language="en", confidence=0.9, model="words") for each in batch]

    def _text(self) -> str:
        threat = self._random.random() < 0.02
        return "i am going to kill you" if threat else " ".join(self._random.choices(WORDS, k=4))


class Clock:
    now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


async def run(hours: float) -> None:
    clock, metrics = Clock(), Metrics()

    def build(stage: Stage, settings: Settings, *rest: Any) -> Processor[Any, Any]:
        match stage.name:
            case "segment":
                return Segment(settings.audio, metrics, Loud(), clock)
            case "transcribe":
                return Words()
            case "judge":
                return careless(settings, metrics, None)
        return build_processor(stage, settings, *rest)

    total = round(hours * 3600)
    report = MemoryReport(max(1, total // REPORTS))

    def tap(stage: Stage, batch: Sequence[Any], outputs: Sequence[Any]) -> None:
        del stage, batch
        report.count([each for each in outputs if isinstance(each, Utterance)])

    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder))
        lookback = open_lookback(settings, clock)
        async with LocalRunner(settings, metrics, tap, lookback=lookback, clock=clock, build=build) as runner:
            for second in range(total + 1):
                clock.now += 1
                for chunk in spoken(second, clock.now - 1):
                    await runner.put(chunk)
                if second % SETTLE_SECONDS == 0:
                    await asyncio.sleep(TICKS_SECONDS)
                report.at(second)
    report.end()


def spoken(second: int, start: float) -> Iterator[AudioChunk]:
    """A second of all speakers. Each speaks for 3 s of 6 s, and another one comes after some minutes."""
    noise = np.random.default_rng(second).uniform(-0.3, 0.3, SAMPLE_RATE).astype(np.float32)
    for place in range(SPEAKERS):
        speaks = (second + place) % 6 < 3
        yield AudioChunk(
            room=f"room-{second // 3600}-{place % 2}",
            speaker=f"speaker-{place}-{second // (300 + 60 * place)}",
            start=start,
            sequence=second,
            data=to_pcm16(noise * speaks),
        )


def live(hours: float) -> None:
    total = round(hours * 3600)
    scene = LoadScene(rooms=SPEAKERS)
    with (
        tempfile.TemporaryDirectory() as folder,
        voxwarden(Path(folder)) as (process, verdicts),
        playing(scene, PORTS["gateway"], TOKENS[0]) as player,
    ):
        player.start(0, total)
        report = MemoryReport(max(1, total // REPORTS), process)
        for second in range(total + 1):
            report.count(verdicts[report.utterances :])
            report.at(second)
            time.sleep(1)
        player.sent()
    report.end()


def main() -> None:
    parser = report.parser(__doc__)
    commands = parser.add_subparsers(dest="what", required=True)
    for name in ("file", "run"):
        commands.add_parser(name).add_argument("--hours", type=float, default=8.0)
    commands.add_parser("live").add_argument("--hours", type=float, default=1.0)
    many = commands.add_parser("speakers")
    many.add_argument("--speakers", type=int, default=200)
    many.add_argument("--minutes", type=float, default=4.0)
    chosen = parser.parse_args()
    if chosen.what == "file":
        file(chosen.hours)
    elif chosen.what == "run":
        asyncio.run(run(chosen.hours))
    elif chosen.what == "live":
        live(chosen.hours)
    else:
        speakers(chosen.speakers, chosen.minutes)
    print(report.machine())


if __name__ == "__main__":
    main()
