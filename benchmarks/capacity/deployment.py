"""A whole deployment for measurements: Kafka, a gateway and workers of each role, with their CPU time and their bytes.

All parts are real: Whisper, the classifier, the review store (SQLite or PostgreSQL) and the clips.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen
from uuid import uuid4

import numpy as np

from agents.broker import kafka_topics
from agents.broker.history import History
from benchmarks.capacity.microphones import playing
from benchmarks.capacity.scene import BROKER, GATEWAY, HANGOVER_SECONDS, ROLES, LoadScene, Observation
from benchmarks.report import cpu_seconds
from pipeline.contract.cloud_events import decode_event
from pipeline.contract.messages import Flag
from pipeline.contract.topology import FLAGS, TOPICS
from pipeline.settings import Kafka, Settings
from tests.broker import ROOT, Broker
from tests.ports import free_port
from tests.stream.processes import Process, environment

TOKEN = "benchmark-of-the-capacity"  # noqa: S105 - of a benchmark
START_SECONDS = 240.0
WARM_SECONDS = 12.0
"""Time from the start of the conversations until they are measured."""
SETTLE_SECONDS = 3.0
"""Time after the last frame in which the verdicts come."""


class Deployment:
    """The processes of a deployment, one of each role."""

    def __init__(self, folder: Path, broker: Broker, model: str = "base") -> None:
        kafka = Kafka(bootstrap=broker.bootstrap, prefix=f"{uuid4().hex[:8]}.", partitions=12)
        self.settings = Settings(kafka=kafka, data_dir=folder / "data")
        self.port = free_port()
        self.processes: dict[str, Process] = {}
        self._metrics = {role: free_port() for role in ROLES}
        self._folder, self._broker, self._model = folder, broker, model

    @contextmanager
    def running(self) -> Iterator["Deployment"]:
        """Run all processes until the end of the block. The models are loaded when it begins."""
        kafka_topics.create(self.settings.kafka)
        with ExitStack() as stack:
            for role in ROLES:
                self.processes[role] = self._start(role, stack)
            deadline = time.monotonic() + START_SECONDS
            while not all(self._ready(role) for role in ROLES):
                if time.monotonic() > deadline:
                    raise SystemExit(f"A role does not start: see {self._folder}/*.log")
                for process in self.processes.values():
                    process.running()
                time.sleep(0.5)
            yield self

    def observe(self, scene: LoadScene, seconds: float) -> Observation:
        """Play a scene and measure it for `seconds`."""
        load = os.getloadavg()[0]
        with playing(scene, self.port, TOKEN) as player:
            begin = player.start(WARM_SECONDS, seconds)
            time.sleep(begin - time.time())
            before = self.cpu(), self.sizes()
            time.sleep(begin + seconds - time.time())
            after = self.cpu(), self.sizes()
            sent = player.sent()
        time.sleep(SETTLE_SECONDS)
        flags = self.flags(begin, begin + seconds)
        whole = begin + seconds - HANGOVER_SECONDS  # the end of the scene cuts off later sentences, without silence
        delays = np.percentile([delay for flag, delay in flags if flag.end < whole] or [0.0], (50, 95, 99)).tolist()
        return Observation(
            scene,
            sent,
            dict.fromkeys(ROLES, 1),
            {role: used - before[0][role] for role, used in after[0].items()},
            {name: size - before[1][name] for name, size in after[1].items()},
            len(flags),
            sum(flag.suggestion != "pass" for flag, _ in flags),
            tuple(delays),
            load,
        )

    def cpu(self) -> dict[str, float]:
        """CPU seconds of each role so far."""
        pids = {role: process.pid for role, process in self.processes.items()} | {BROKER: self._broker.pid}
        return {role: cpu_seconds(pid) for role, pid in pids.items()}

    def sizes(self) -> dict[str, int]:
        """Bytes of each topic on the broker's disk, and of the clips."""
        logs, prefix = self._broker.logs, self.settings.kafka.prefix
        sizes = {topic.name: _size(logs.glob(f"{prefix}{topic.name}-*/*.log")) for topic in TOPICS}
        return sizes | {"evidence": _size((self.settings.data_dir / "evidence").rglob("*.*"))}

    def flags(self, begin: float, end: float) -> list[tuple[Flag, float]]:
        """The flags of speech that ended from `begin` to `end` (UTC seconds), each with its delay in seconds."""
        history = History(self.settings.kafka, FLAGS, since=begin)
        try:
            records = [
                (record.timestamp, decode_event(Flag, record.value, record.headers)) for record in history.read()
            ]
        finally:
            history.close()
        return [(f, written / 1000 - f.end) for written, f in records if begin <= f.end < end and not f.early]

    def _start(self, role: str, stack: ExitStack) -> Process:
        own = {
            "PYTHONPATH": str(ROOT),
            "VOXWARDEN_GATEWAY__TOKENS": f'["{TOKEN}"]',
            "VOXWARDEN_GATEWAY__PORT": str(self.port),
            "VOXWARDEN_METRICS__PORT": str(self._metrics[role]),
            "VOXWARDEN_ASR__MODEL": self._model,
        }
        command = [sys.executable, "-m", "agents", *(["gateway"] if role == GATEWAY else ["worker", role])]
        process = Process(command, os.environ | environment(self.settings) | own, self._folder / f"{role}.log")
        stack.callback(process.close)
        return process

    def _ready(self, role: str) -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{self._metrics[role]}/readyz", timeout=10):
                return True
        except (OSError, HTTPException):
            return False


def _size(files: Iterator[Path]) -> int:
    return sum(file.stat().st_size for file in files if file.is_file())
