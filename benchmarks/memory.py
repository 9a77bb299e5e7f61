"""Measure whether memory stays bounded. Prints the resident size during the run, and the growth from first to last.

    python -m benchmarks.memory file [--hours 8]           an MP3 file, decoded and cut as `moderate` does
    python -m benchmarks.memory speakers [--speakers 200]  open speakers who talk without end, a second at a time

The speech of `tests/data` is repeated.
"""

import io
import tempfile
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import av
import numpy as np
from msgspec import structs

from benchmarks import report
from pipeline.base.metrics import Metrics
from pipeline.contract.messages import SAMPLE_RATE, AudioChunk, Utterance
from pipeline.settings import load
from pipeline.speech.audio.encode import to_pcm16
from pipeline.speech.audio.recording_parts import chunks_of
from pipeline.speech.audio.resample import Samples
from pipeline.speech.audio.segment_stage import Segment, build
from tests.speech import clips

MEBIBYTE = 1024 * 1024
REPORTS = 12


def resident() -> float:
    """Current resident set size of this process in MiB (not its peak)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
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

    def __init__(self, every: int) -> None:
        self._every = every
        self._sizes: list[float] = []
        self._utterances = 0

    def count(self, results: list[Utterance]) -> None:
        self._utterances += len(results)

    def at(self, second: int) -> None:
        if second and second % self._every == 0:
            self._sizes.append(resident())
            print(f"{second:>8,} s   {self._utterances:>8,} utterances   {self._sizes[-1]:8.1f} MiB", flush=True)

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


def main() -> None:
    parser = report.parser(__doc__)
    commands = parser.add_subparsers(dest="what", required=True)
    commands.add_parser("file").add_argument("--hours", type=float, default=8.0)
    many = commands.add_parser("speakers")
    many.add_argument("--speakers", type=int, default=200)
    many.add_argument("--minutes", type=float, default=4.0)
    chosen = parser.parse_args()
    if chosen.what == "file":
        file(chosen.hours)
    else:
        speakers(chosen.speakers, chosen.minutes)
    print(report.machine())


if __name__ == "__main__":
    main()
