"""Measure the cost of a speaker with 20 ms Opus packets at the gateway and segment, and the latency of flags.

    python -m benchmarks.gateway [--before FOLDER] [--speakers 60 400] [--seconds 10] [--repeat 3]

FOLDER is a checkout of an older version, e.g. `git worktree add FOLDER 848c285`. It runs on the same Kafka, in turn
with this version. Each speaker sends real speech as Opus packets, one in a frame. A cost is the CPU time of the process
divided by the audio that it handled, so other load changes it little. `--speakers` gives the number of speakers for the
older version and for this one. Latency is from the end of an utterance to its record in `voice.flags`, with few
speakers and instant fakes for Whisper and the classifier.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from kafka import TopicPartition
from rich.console import Console
from rich.table import Table

from agents.broker import topics
from agents.broker.kafka_clients import reader, topic_name
from benchmarks.stream import cpu_seconds
from pipeline.contract.cloud_events import decode_event
from pipeline.contract.messages import Flag
from pipeline.contract.topology import AUDIO, FLAGS, JUDGE, SEGMENT, TRANSCRIBE, UTTERANCES, Topic
from pipeline.settings import Kafka, Settings
from tests.broker import ROOT, Broker
from tests.ports import free_port
from tests.stream.kafka_io import wait_for_members
from tests.stream.processes import Process, environment

TOKEN = "benchmark-of-the-gateway"  # noqa: S105 - of a benchmark
PATIENCE_SECONDS = 180
QUIET_SECONDS = 5
"""A topic without a new record for so long is complete."""
FEW = 8
"""Number of speakers while latency is measured."""


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one run for each second of a speaker's audio."""

    gateway_ms: float
    segment_ms: float
    records: float
    bytes: float
    """Bytes of the topic's records as Kafka stores them."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--speakers", type=int, nargs=2, default=[60, 400])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    codes = {"before": options.before.resolve()} if options.before else {}
    codes |= {"now": ROOT}
    speakers = dict(zip(("before", "now"), options.speakers, strict=True))
    costs: dict[str, list[Cost]] = {name: [] for name in codes}
    waits: dict[str, list[float]] = {name: [] for name in codes}
    with tempfile.TemporaryDirectory() as folder, Broker(Path(folder)) as broker:
        for _ in range(options.repeat):
            for name, code in codes.items():
                place = Installation(code, broker.bootstrap, Path(folder))
                costs[name].append(place.cost(speakers[name], options.seconds))
                waits[name] += place.waits(options.seconds)
    show(costs, waits)


class Installation:
    """A version of the code with topics of its own."""

    def __init__(self, code: Path, bootstrap: str, folder: Path) -> None:
        self.code = code
        self.folder = folder
        kafka = Kafka(bootstrap=bootstrap, prefix=f"{uuid4().hex[:8]}.")
        self.settings = Settings(kafka=kafka, data_dir=folder / kafka.prefix)
        self.port = free_port()
        topics.create(kafka)

    def cost(self, speakers: int, seconds: float) -> Cost:
        """The gateway takes all speakers in real time. Then segment processes what it wrote."""
        with self.running("agents", "gateway") as gateway:
            begun = cpu_seconds(gateway)
            self.speak(speakers, seconds)
            used = cpu_seconds(gateway) - begun
        audio_seconds = speakers * seconds
        records, size = self.held(AUDIO)
        with self.running("agents", "worker", "segment") as segment:
            self.until_quiet(UTTERANCES)
            segmenting = cpu_seconds(segment) - self.idle()
        return Cost(
            used / audio_seconds * 1000,
            segmenting / audio_seconds * 1000,
            records / audio_seconds,
            size / audio_seconds,
        )

    def waits(self, seconds: float) -> list[float]:
        """Seconds from the end of each utterance to its flag, with few speakers."""
        roles = (SEGMENT, TRANSCRIBE, JUDGE)
        commands = [("benchmarks.fast_worker", role.name) for role in roles]
        with ExitStack() as processes:
            for command in [("agents", "gateway"), *commands]:
                processes.enter_context(self.running(*command))
            for role in roles:
                wait_for_members(self.settings, role, 1)
            since = time.time()
            self.speak(FEW, 2 * seconds)
            self.until_quiet(FLAGS)
        found = [
            (record.timestamp / 1000, decode_event(Flag, record.value, record.headers))
            for record in self.records(FLAGS)
        ]
        return [written - flag.end for written, flag in found if flag.start > since]

    def speak(self, speakers: int, seconds: float) -> None:
        command = [sys.executable, "-m", "benchmarks.opus_client", str(self.port), str(speakers), str(seconds)]
        subprocess.run(command, cwd=ROOT, env=os.environ | {"TOKEN": TOKEN}, check=True)

    @contextmanager
    def running(self, *module: str) -> Iterator[Process]:
        process = Process([sys.executable, "-P", "-m", *module], self._environment(), self.folder / "log")
        try:
            yield process
        finally:
            process.close()

    def idle(self) -> float:
        """CPU seconds of a segment worker without work: for its start, and for the quiet time after it."""
        empty = Installation(self.code, self.settings.kafka.bootstrap, self.folder)
        with empty.running("agents", "worker", "segment") as process:
            wait_for_members(empty.settings, SEGMENT, 1)
            time.sleep(QUIET_SECONDS)
            return cpu_seconds(process)

    def until_quiet(self, topic: Topic) -> None:
        """Wait until the topic has records and no new ones arrive."""
        deadline, found, since = time.monotonic() + PATIENCE_SECONDS, 0, time.monotonic()
        while not found or time.monotonic() - since < QUIET_SECONDS:
            if time.monotonic() > deadline:
                raise SystemExit(f"{topic.name} is not quiet. {(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.5)
            if (now := self.held(topic)[0]) != found:
                found, since = now, time.monotonic()

    def held(self, topic: Topic) -> tuple[int, float]:
        """Number of records in a topic, and their bytes: headers, key and value."""
        sizes = [_size(record) for record in self.records(topic)]
        return len(sizes), sum(sizes)

    def records(self, topic: Topic) -> list[Any]:
        consumer = reader(self.settings.kafka)
        name = topic_name(topic, self.settings.kafka)
        partitions = [TopicPartition(name, number) for number in range(self.settings.kafka.partitions)]
        consumer.assign(partitions)
        consumer.seek_to_beginning()
        ends = consumer.end_offsets(partitions)
        found: list[Any] = []
        while len(found) < sum(ends.values()):
            for some in consumer.poll(200).values():
                found += some
        consumer.close()
        return found

    def _environment(self) -> Mapping[str, str]:
        own = {
            "PYTHONPATH": str(self.code),
            "VOXWARDEN_GATEWAY__TOKENS": f'["{TOKEN}"]',
            "VOXWARDEN_GATEWAY__PORT": str(self.port),
            "VOXWARDEN_CONFIG": str(self.code / "configs" / "voxwarden.yaml"),
        }
        return os.environ | environment(self.settings) | own


def _size(record: Any) -> int:
    """The approximate size of a record in Kafka: its parts, each with a length of a byte or two."""
    key, value, headers = record.key, record.value, record.headers
    return 12 + len(key) + len(value) + sum(2 + len(name) + len(text) for name, text in headers)


def show(costs: Mapping[str, Sequence[Cost]], waits: Mapping[str, Sequence[float]]) -> None:
    table = Table("", *costs, "ratio")

    def row(name: str, figures: Sequence[float], form: str) -> None:
        ratio = f"{figures[0] / figures[-1]:.1f}" if len(figures) > 1 else ""
        table.add_row(name, *(form.format(figure) for figure in figures), ratio)

    def median(field: str) -> list[float]:
        return [statistics.median(getattr(cost, field) for cost in found) for found in costs.values()]

    row("gateway, CPU ms a speaker-second", median("gateway_ms"), "{:.2f}")
    row("speakers that fill a core of a gateway", [1000 / cost for cost in median("gateway_ms")], "{:,.0f}")
    row("segment, CPU ms a speaker-second", median("segment_ms"), "{:.2f}")
    row("records a speaker-second", median("records"), "{:.1f}")
    row("bytes a speaker-second", median("bytes"), "{:,.0f}")
    for share in (50, 95):
        late = [float(np.percentile(found, share)) for found in waits.values()]
        row(f"end of speech to flag, p{share} s, of {len(waits['now'])}", late, "{:.2f}")
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
