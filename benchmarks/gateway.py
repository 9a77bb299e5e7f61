"""Measure the cost of a speaker with 20 ms Opus packets at the gateway and segment, and the latency of flags.

    python -m benchmarks.gateway [--speakers 400] [--seconds 10] [--repeat 3]

Each speaker sends real speech as Opus packets, one in a frame. A cost is the CPU time of the process divided by the
audio that it handled, so other load changes it little. Latency is from the end of an utterance to its record in
`voice.flags`, with few speakers and instant fakes for Whisper and the classifier.
"""

import multiprocessing
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import numpy as np
from kafka import TopicPartition
from rich.table import Table

from agents.broker import kafka_topics
from agents.broker.kafka_clients import reader, topic_name
from benchmarks import report
from benchmarks.report import cpu_seconds
from pipeline.contract.cloud_events import decode_event
from pipeline.contract.messages import Flag
from pipeline.contract.topology import AUDIO, FLAGS, JUDGE, SEGMENT, TRANSCRIBE, UTTERANCES, Topic
from pipeline.settings import Kafka, Settings
from tests.broker import Broker
from tests.ports import free_port
from tests.speech import opus_packets, talk
from tests.stream.kafka_io import wait_for_members
from tests.stream.processes import Process, environment

TOKEN = "benchmark-of-the-gateway"  # noqa: S105 - of a benchmark
PATIENCE_SECONDS = 180
QUIET_SECONDS = 5
"""A topic without a new record for so long is complete."""
FEW = 8
"""Number of speakers while latency is measured."""
FRAME_SECONDS = 0.02
TALK_SECONDS = 60
GROUPS = 5
"""Speakers send in groups, not all at the same moment."""


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one run for each second of a speaker's audio."""

    gateway_ms: float
    segment_ms: float
    records: float
    bytes: float
    """Bytes of the topic's records as Kafka stores them."""


def main() -> None:
    parser = report.parser(__doc__)
    parser.add_argument("--speakers", type=int, default=400)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    costs: list[Cost] = []
    waits: list[float] = []
    with tempfile.TemporaryDirectory() as folder, Broker(Path(folder)) as broker:
        for _ in range(options.repeat):
            place = Installation(broker.bootstrap, Path(folder))
            costs.append(place.cost(options.speakers, options.seconds))
            waits += place.waits(options.seconds)
    report.show(table(costs, waits))


def table(costs: Sequence[Cost], waits: Sequence[float]) -> Table:
    def median(field: str) -> float:
        return float(statistics.median(getattr(cost, field) for cost in costs))

    shown = Table("what", "figure")
    shown.add_row("gateway, CPU ms a speaker-second", f"{median('gateway_ms'):.2f}")
    shown.add_row("speakers that fill a core of a gateway", f"{1000 / median('gateway_ms'):,.0f}")
    shown.add_row("segment, CPU ms a speaker-second", f"{median('segment_ms'):.2f}")
    shown.add_row("records a speaker-second", f"{median('records'):.1f}")
    shown.add_row("bytes a speaker-second", f"{median('bytes'):,.0f}")
    for share in (50, 95):
        late = float(np.percentile(waits, share))
        shown.add_row(f"end of speech to flag, p{share} s, of {len(waits)}", f"{late:.2f}")
    return shown


class Installation:
    """A gateway and workers with topics of their own."""

    def __init__(self, bootstrap: str, folder: Path) -> None:
        self.folder = folder
        kafka = Kafka(bootstrap=bootstrap, prefix=f"{uuid4().hex[:8]}.")
        self.settings = Settings(kafka=kafka, data_dir=folder / kafka.prefix)
        self.port = free_port()
        kafka_topics.create(kafka)

    def cost(self, speakers: int, seconds: float) -> Cost:
        """The gateway takes all speakers in real time. Then segment processes what it wrote."""
        with self.running("agents", "gateway") as gateway:
            begun = cpu_seconds(gateway.pid)
            self.speak(speakers, seconds)
            used = cpu_seconds(gateway.pid) - begun
        audio_seconds = speakers * seconds
        records, size = self.held(AUDIO)
        with self.running("agents", "worker", "segment") as segment:
            self.until_quiet(UTTERANCES)
            segmenting = cpu_seconds(segment.pid) - self.idle()
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
        """Speak from a process of its own, with little CPU."""
        process = multiprocessing.get_context("spawn").Process(target=speak, args=(self.port, speakers, seconds))
        process.start()
        process.join()
        if process.exitcode:
            raise SystemExit("The speakers failed. Their error is above.")

    @contextmanager
    def running(self, *module: str) -> Iterator[Process]:
        process = Process([sys.executable, "-m", *module], self._environment(), self.folder / "log")
        try:
            yield process
        finally:
            process.close()

    def idle(self) -> float:
        """CPU seconds of a segment worker without work: for its start, and for the quiet time after it."""
        empty = Installation(self.settings.kafka.bootstrap, self.folder)
        with empty.running("agents", "worker", "segment") as process:
            wait_for_members(empty.settings, SEGMENT, 1)
            time.sleep(QUIET_SECONDS)
            return cpu_seconds(process.pid)

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
        own = {"VOXWARDEN_GATEWAY__TOKENS": f'["{TOKEN}"]', "VOXWARDEN_GATEWAY__PORT": str(self.port)}
        return os.environ | environment(self.settings) | own


def _size(record: Any) -> int:
    """The approximate size of a record in Kafka: its parts, each with a length of a byte or two."""
    key, value, headers = record.key, record.value, record.headers
    return 12 + len(key) + len(value) + sum(2 + len(name) + len(text) for name, text in headers)


def speak(port: int, count: int, seconds: float) -> None:
    """Let `count` speakers send in real time. Each begins at another place of the same packets."""
    frames = [masked(packet) for packet in opus_packets(talk(TALK_SECONDS, Random(0)))]
    speakers = [connected(port, number) for number in range(count)]
    begun = time.monotonic()
    for tick in range(round(seconds / FRAME_SECONDS)):
        for group in range(GROUPS):
            due = begun + (tick + group / GROUPS) * FRAME_SECONDS
            time.sleep(max(0.0, due - time.monotonic()))
            for number in range(group, count, GROUPS):
                speakers[number].sendall(frames[(tick + 37 * number) % len(frames)])
    for speaker in speakers:
        speaker.sendall(b"\x88\x82" + bytes(4) + (1000).to_bytes(2, "big"))
    for speaker in speakers:
        while speaker.recv(4096):
            continue
        speaker.close()


def masked(payload: bytes) -> bytes:
    """A final binary frame. The mask is zero, which costs the server the same as any other."""
    size = len(payload)
    head = bytes([0x80 | size]) if size < 126 else bytes([0x80 | 126]) + size.to_bytes(2, "big")
    return b"\x82" + head + bytes(4) + payload


def connected(port: int, number: int) -> socket.socket:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            made = socket.create_connection(("127.0.0.1", port))
            break
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
    lines = [
        f"GET /v1/rooms/room-{number % 64}/speakers/speaker-{number}/audio?codec=opus HTTP/1.1",
        "Host: localhost", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", f"Authorization: Bearer {TOKEN}", "", "",
    ]  # fmt: skip
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made.sendall("\r\n".join(lines).encode())
    answer = made.recv(4096)
    if b" 101 " not in answer:
        raise SystemExit(f"The gateway does not accept the connection: {answer[:80]!r}")
    return made


if __name__ == "__main__":
    main()
