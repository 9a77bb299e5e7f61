"""A whole deployment for measurements: Kafka, a gateway and workers of each role, with their CPU time and their bytes.

All parts are real: Whisper, the classifier, the review store (SQLite or PostgreSQL) and the clips.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection, HTTPException
from itertools import chain
from pathlib import Path
from uuid import uuid4

import msgspec
import numpy as np
from pydantic import SecretStr

from agents.broker import topics
from agents.broker.history import History
from benchmarks.capacity.scene import BROKER, GATEWAY, HANGOVER_SECONDS, ROLES, LoadScene, Observation, Sent
from pipeline.contract.cloud_events import decode_event
from pipeline.contract.messages import Flag
from pipeline.contract.topology import FLAGS, TOPICS
from pipeline.settings import Kafka, Settings, Store
from tests.broker import ROOT, Broker
from tests.ports import free_port
from tests.stream.processes import Process, environment

TOKEN = "benchmark-of-the-capacity"  # noqa: S105 - of a benchmark
TICKS = os.sysconf("SC_CLK_TCK")
START_SECONDS = 240.0
PATIENCE_SECONDS = 120.0
"""Time for the microphones to close."""
WARM_SECONDS = 12.0
"""Time from the start of the conversations until they are measured."""
SETTLE_SECONDS = 3.0
"""Time after the last frame in which the verdicts come."""


class Deployment:
    """The processes of a deployment. `workers` are the numbers of processes that differ from one."""

    def __init__(
        self,
        folder: Path,
        broker: Broker,
        room_shards: int = 1,
        partitions: int = 12,
        workers: Mapping[str, int] = {},
        store: str | None = None,
        model: str = "base",
    ) -> None:
        kafka = Kafka(
            bootstrap=broker.bootstrap, prefix=f"{uuid4().hex[:8]}.", partitions=partitions, room_shards=room_shards
        )
        self.settings = Settings(kafka=kafka, data_dir=folder / "data", store=Store(url=store and SecretStr(store)))
        self.port = free_port()
        self.processes: dict[str, list[Process]] = {}
        self._metrics: dict[str, list[int]] = {}
        """The ports for the metrics of each role."""
        self._counts = {role: workers.get(role, 1) for role in ROLES}
        self._folder, self._broker, self._model = folder, broker, model

    @contextmanager
    def running(self) -> Iterator["Deployment"]:
        """Run all processes until the end of the block. The models are loaded when it begins."""
        topics.create(self.settings.kafka)
        with ExitStack() as stack:
            for role, count in self._counts.items():
                self.processes[role] = [self._start(role, number, stack) for number in range(count)]
            deadline = time.monotonic() + START_SECONDS
            while not all(self._ready(role) for role in ROLES):
                if time.monotonic() > deadline:
                    raise SystemExit(f"A role does not start: see {self._folder}/*.log")
                for process in chain.from_iterable(self.processes.values()):
                    process.running()
                time.sleep(0.5)
            yield self

    def observe(self, scene: LoadScene, seconds: float) -> Observation:
        """Play a scene and measure it for `seconds`."""
        load = os.getloadavg()[0]
        with self._player(scene) as player:
            begin = self._open(player, seconds)
            time.sleep(begin - time.time())
            before = self.cpu(), self.sizes()
            time.sleep(begin + seconds - time.time())
            after = self.cpu(), self.sizes()
            sent = msgspec.json.decode(player.communicate(timeout=PATIENCE_SECONDS)[0], type=Sent)
        time.sleep(SETTLE_SECONDS)
        flags = self.flags(begin, begin + seconds)
        whole = begin + seconds - HANGOVER_SECONDS  # the end of the scene cuts off later sentences, without silence
        delays = np.percentile([delay for flag, delay in flags if flag.end < whole] or [0.0], (50, 95, 99)).tolist()
        return Observation(
            scene,
            sent,
            self._counts,
            {role: used - before[0][role] for role, used in after[0].items()},
            {name: size - before[1][name] for name, size in after[1].items()},
            len(flags),
            sum(flag.suggestion != "pass" for flag, _ in flags),
            tuple(delays),
            load,
        )

    def cpu(self) -> dict[str, float]:
        """CPU seconds of each role so far."""
        pids = {role: [process.pid for process in found] for role, found in self.processes.items()}
        pids[BROKER] = [self._broker.pid]
        return {role: sum(map(cpu_seconds, found)) for role, found in pids.items()}

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
        return [(flag, written / 1000 - flag.end) for written, flag in records if begin <= flag.end < end]

    def series(self) -> dict[str, int]:
        """Time series that a process of each role shows to Prometheus."""
        texts = {role: _get(ports[0], "/metrics")[1] for role, ports in self._metrics.items()}
        return {role: sum(not line.startswith("#") for line in text.splitlines()) for role, text in texts.items()}

    def taken(self, stage: str) -> list[float]:
        """Number of records that each process of a stage has taken."""
        pattern = re.compile(rf'^voxwarden_messages_total\{{stage="{stage}"\}} (\S+)', re.MULTILINE)
        texts = [_get(port, "/metrics")[1] for port in self._metrics[stage]]
        return [float(pattern.findall(text)[0]) for text in texts]

    def _start(self, role: str, number: int, stack: ExitStack) -> Process:
        port = free_port()
        self._metrics.setdefault(role, []).append(port)
        own = {
            "PYTHONPATH": str(ROOT),
            "VOXWARDEN_GATEWAY__TOKENS": f'["{TOKEN}"]',
            "VOXWARDEN_GATEWAY__PORT": str(self.port),
            "VOXWARDEN_METRICS__PORT": str(port),
            "VOXWARDEN_ASR__MODEL": self._model,
        }
        command = [sys.executable, "-m", "agents", *(["gateway"] if role == GATEWAY else ["worker", role])]
        log = self._folder / f"{role}-{number}.log"
        process = Process(command, os.environ | environment(self.settings) | own, log)
        stack.callback(process.close)
        return process

    def _ready(self, role: str) -> bool:
        try:
            return all(_get(port, "/readyz")[0] == 200 for port in self._metrics[role])
        except (OSError, HTTPException):
            return False

    def _open(self, player: "subprocess.Popen[str]", seconds: float) -> float:
        """Wait until all microphones are open, and start the conversations. Returns when to begin, in UTC seconds."""
        if not (player.stdin and player.stdout and player.stdout.readline()):
            raise SystemExit(f"The microphones cannot connect: see {self._folder}/gateway-0.log.")
        begin = time.time() + WARM_SECONDS
        print(begin, begin + seconds, file=player.stdin, flush=True)
        return begin

    def _player(self, scene: LoadScene) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "benchmarks.capacity.microphones", str(self.port)]
        told = os.environ | {"TOKEN": TOKEN, "PYTHONPATH": str(ROOT)}
        return subprocess.Popen(
            [*command, msgspec.json.encode(scene).decode()],
            env=told,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _size(files: Iterator[Path]) -> int:
    return sum(file.stat().st_size for file in files if file.is_file())


def _get(port: int, path: str) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()
