"""Measure the cost of Faust and our rules: the transcribe role without Whisper, beside a bare aiokafka loop.

    python -m benchmarks.stream [--messages 8000] [--repeat 3] [--batch 8] [--workers 1]

Both read utterances of 8 kB from a real Kafka, decode them, write a transcript each with acks=all and commit once a
second. All workers join before the first record is written. Runs are interleaved. Each figure is the median, with the
lowest and highest. A ratio to bare compares two runs of the same round, one after the other with the same other load.
CPU is that of the workers. `--batch` and `--workers` select the setups with these values.
"""

import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from kafka import TopicPartition
from kafka.errors import KafkaError
from rich.progress import track
from rich.table import Table

from agents.broker import kafka_topics
from agents.broker.kafka_clients import admin, producer, reader, topic_name
from agents.loop.faust_app import group_of
from benchmarks import report
from benchmarks.report import cpu_seconds, spread
from pipeline.contract.cloud_events import encode_event
from pipeline.contract.messages import Utterance
from pipeline.contract.topology import TRANSCRIBE, TRANSCRIPTS, UTTERANCES
from pipeline.settings import Kafka, Settings
from tests.broker import Broker
from tests.stream.processes import Process, environment

BYTES = 8_000
PATIENCE_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Setup:
    kind: str
    workers: int
    partitions: int
    batch: int
    ms: int = 0
    """Time of an utterance, without CPU."""

    def __str__(self) -> str:
        slow = f", {self.ms} ms each" if self.ms else ""
        return f"{self.kind}, {self.workers} × {self.partitions}, batches of {self.batch}{slow}"


@dataclass(frozen=True, slots=True)
class Throughput:
    per_second: float
    """Messages per second."""
    cpu: float
    """CPU seconds for 1,000 messages, all workers together."""


BARE, OURS = "bare aiokafka", "voxwarden"
SETUPS = (
    Setup(BARE, 1, 8, 8),
    Setup(OURS, 1, 8, 8),
    Setup(OURS, 1, 4, 8),
    Setup(OURS, 1, 1, 8),
    Setup(BARE, 2, 8, 8),
    Setup(OURS, 2, 8, 8),
    Setup(BARE, 1, 8, 64),
    Setup(OURS, 1, 8, 64),
    Setup(OURS, 1, 8, 8, ms=2),
    Setup(OURS, 2, 8, 8, ms=2),
)


def main() -> None:
    parser = report.parser(__doc__)
    parser.add_argument("--messages", type=int, default=8_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--workers", type=int)
    options = parser.parse_args()
    chosen = [
        setup for setup in SETUPS if options.batch in {None, setup.batch} and options.workers in {None, setup.workers}
    ]
    figures: dict[Setup, list[Throughput]] = {setup: [] for setup in chosen}
    with tempfile.TemporaryDirectory() as folder, Broker(Path(folder)) as broker:
        for setup in track(chosen * options.repeat, "measuring", console=report.notes):
            figures[setup].append(measure(setup, broker.bootstrap, options.messages, Path(folder)))
    show(figures)


def measure(setup: Setup, bootstrap: str, count: int, folder: Path) -> Throughput:
    kafka = Kafka(bootstrap=bootstrap, prefix=f"{uuid4().hex[:8]}.", partitions=setup.partitions)
    settings = Settings(kafka=kafka, data_dir=folder)
    kafka_topics.create(kafka)
    with ExitStack() as stack:
        workers = [
            Process(command(setup, settings), os.environ | environment(settings), folder / "log")
            for _ in range(setup.workers)
        ]
        for worker in workers:
            stack.callback(worker.close)
        join(settings, setup)
        for worker in workers:
            os.kill(worker.pid, signal.SIGSTOP)
        fill(settings, count)
        for worker in workers:
            os.kill(worker.pid, signal.SIGCONT)
        return watch(settings, workers, count)


def join(settings: Settings, setup: Setup) -> None:
    """Wait until all workers have partitions. Before that, a second worker gets no share of the work."""
    group = settings.kafka.prefix if setup.kind == BARE else group_of(settings, TRANSCRIBE)
    deadline = time.monotonic() + PATIENCE_SECONDS
    with admin(settings.kafka) as client:
        while time.monotonic() < deadline:
            with suppress(KafkaError):  # a new broker has no coordinator for the group yet
                found = client.describe_groups([group])[group]
                if found["group_state"] == "Stable" and len(found["members"]) == setup.workers:
                    return
            time.sleep(0.2)
    raise SystemExit(f"The workers of {setup} did not join within {PATIENCE_SECONDS} s.")


def command(setup: Setup, settings: Settings) -> Sequence[str]:
    if setup.kind == OURS:
        return [sys.executable, "-m", "benchmarks.fast_worker", "transcribe", str(setup.batch), str(setup.ms)]
    names = [topic_name(topic, settings.kafka) for topic in (UTTERANCES, TRANSCRIPTS)]
    bare = [settings.kafka.bootstrap, *names, settings.kafka.prefix, str(setup.batch)]
    return [sys.executable, "-m", "benchmarks.bare_worker", *bare]


def fill(settings: Settings, count: int) -> None:
    client = producer(settings.kafka)
    audio = os.urandom(BYTES)
    for number in range(count):
        event = encode_event(
            Utterance(
                room=f"room-{number % 64}",
                speaker="a",
                start=float(number),
                end=number + 1.0,
                id=str(number),
                data=audio,
            ),
            "bench",
        )
        client.send(topic_name(UTTERANCES, settings.kafka), key=event.key, value=event.value, headers=event.headers)
    client.flush()
    client.close()


def watch(settings: Settings, workers: Sequence[Process], count: int) -> Throughput:
    """The time from a tenth of the messages until all are done, without the start and the first fetch.

    Raises SystemExit if all messages were done between two polls: then there are too few to measure.
    """
    consumer = reader(settings.kafka)
    name = topic_name(TRANSCRIPTS, settings.kafka)
    partitions = [TopicPartition(name, number) for number in range(settings.kafka.partitions)]
    deadline = time.monotonic() + PATIENCE_SECONDS
    begun: tuple[float, float, int] | None = None
    while True:
        done = sum(consumer.end_offsets(partitions).values())
        now, cpu = time.monotonic(), sum(cpu_seconds(worker.pid) for worker in workers)
        if begun is None and done >= count:
            raise SystemExit(f"{count} messages are too few to measure. Use more --messages.")
        if begun is None and done >= count / 10:
            begun = now, cpu, done
        if begun and done >= count:
            consumer.close()
            messages = done - begun[2]
            return Throughput(messages / (now - begun[0]), (cpu - begun[1]) / messages * 1_000)
        if now > deadline:
            raise SystemExit(f"Only {done} of {count} messages in {PATIENCE_SECONDS} s: {workers[0].log[-2000:]}")
        time.sleep(0.05)


def show(figures: dict[Setup, list[Throughput]]) -> None:
    table = Table("setup: workers × partitions", "messages/s", "of bare", "CPU s / 1,000", "of bare's")
    for setup, found in figures.items():
        bare = figures[replace(setup, kind=BARE, partitions=8, ms=0)]
        table.add_row(
            str(setup),
            spread([one.per_second for one in found], ",.0f"),
            spread([one.per_second / other.per_second for one, other in zip(found, bare, strict=True)], ".2f"),
            spread([one.cpu for one in found], ".2f"),
            spread([one.cpu / other.cpu for one, other in zip(found, bare, strict=True)], ".2f"),
        )
    report.show(table)


if __name__ == "__main__":
    main()
