"""A real Apache Kafka for tests and benchmarks: KRaft nodes in a temporary folder, on free loopback ports.

with Broker(folder) as broker:
    ... broker.bootstrap ...
with Cluster(folder) as cluster:
    ... cluster.bootstrap, cluster.nodes ...
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import TracebackType

from tests.ports import free_port

ROOT = Path(__file__).parent.parent
LIBS = ROOT / ".cache" / "kafka" / "libs"
CLASSES = LIBS.parent / "classes.jsa"
"""Kafka's classes as the JVM has them in memory (AppCDS): with it a broker starts in half the CPU time."""
REMEDY = "mvn -q -f tests/stream/pom.xml dependency:copy-dependencies (or name a broker in KAFKA_BOOTSTRAP)"
START_SECONDS = 180
"""A busy machine needs most of it; one that is idle a few."""

SERVER = """
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={folder}/logs
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.num.partitions=1
offsets.topic.replication.factor={replicas}
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr=1
min.insync.replicas={in_sync}
log.initial.task.delay.ms=500
log.retention.check.interval.ms=1000
log.cleaner.enable=false
metadata.max.idle.interval.ms=0
num.network.threads=2
num.io.threads=2
"""
"""A broker that has little to do when nobody asks it anything, and few threads."""


class BrokerMissingError(RuntimeError):
    """There is nothing to start a broker from; says what to do."""


class Broker:
    """A broker process; can be stopped and started again with its data.

    `controllers` are the ports of all nodes of its cluster, its own at `node` - 1.
    """

    def __init__(
        self, folder: Path, node: int = 1, controllers: Sequence[int] | None = None, cluster: str | None = None
    ) -> None:
        self._folder = folder
        self._port = free_port()
        self._node = node
        self._controllers = controllers or [free_port()]
        self._cluster = cluster or new_id()
        self._process: subprocess.Popen[bytes] | None = None
        if not any(LIBS.glob("kafka_*.jar")):
            raise BrokerMissingError(f"No Apache Kafka in {LIBS}. Fetch it: {REMEDY}.")
        if not shutil.which("java"):
            raise BrokerMissingError("No java on the PATH. Install a Java 17 or newer runtime.")

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self._port}"

    @property
    def logs(self) -> Path:
        """The folder of its records: a folder for each partition."""
        return self._folder / "logs"

    @property
    def pid(self) -> int:
        """Raises RuntimeError if it is not running."""
        if not self._process:
            raise RuntimeError("The broker is not running")
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None

    def __enter__(self) -> "Broker":
        self.format()
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Start, and wait until it takes connections."""
        self.launch()
        self.await_ready()

    def launch(self) -> None:
        with (self._folder / "broker.log").open("ab") as output:
            self._process = subprocess.Popen(
                [*self._jvm(), "kafka.Kafka", str(self._folder / "server.properties")], stdout=output, stderr=output
            )

    @staticmethod
    def _jvm() -> list[str]:
        return java(f"-XX:SharedArchiveFile={CLASSES}", "-Xshare:auto")

    def await_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if not self._process or self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Kafka did not start: {(self._folder / 'broker.log').read_text()[-2000:]}")
            time.sleep(0.1)

    def stop(self) -> None:
        if self._process:
            self._process.kill()  # the data is not wanted, and a clean stop takes seconds
            self._process.wait()
            self._process = None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It takes connections, and does nothing, for as long as the block runs."""
        if not self._process:
            raise RuntimeError("The broker is not running")
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)  # on a busy machine, threads still answer for a moment
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def format(self) -> None:
        """Make its folder ready for a first start."""
        replicas = len(self._controllers)
        properties = SERVER.format(
            node=self._node,
            voters=",".join(f"{node}@127.0.0.1:{port}" for node, port in enumerate(self._controllers, 1)),
            port=self._port,
            controller=self._controllers[self._node - 1],
            folder=self._folder,
            replicas=replicas,
            in_sync=min(2, replicas),
        )
        file = self._folder / "server.properties"
        file.write_text(properties)
        self.format_storage()

    def format_storage(self, *adding: str) -> None:
        """As Kafka's storage tool does it, without another JVM. `adding` are more words for the tool."""
        identity = {"version": 1, "cluster.id": self._cluster, "node.id": self._node, "directory.id": new_id()}
        self.logs.mkdir()
        (self.logs / "meta.properties").write_text("".join(f"{name}={value}\n" for name, value in identity.items()))
        (self.logs / "bootstrap.checkpoint").write_bytes(first_metadata(*adding))

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0


class Cluster:
    """Three nodes, each broker and controller; two replicas have to have a record before it is acknowledged."""

    def __init__(self, folder: Path) -> None:
        ports, identity = [free_port() for _ in range(3)], new_id()
        self.nodes = [Broker(self._folder(folder, node), node, ports, identity) for node in (1, 2, 3)]

    @property
    def bootstrap(self) -> str:
        return ",".join(node.bootstrap for node in self.nodes)

    def __enter__(self) -> "Cluster":
        for node in self.nodes:
            node.format()
        self.start(self.nodes)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop(self.nodes)

    @staticmethod
    def start(nodes: Sequence[Broker]) -> None:
        """Start `nodes` at once, and wait for all: one alone has no quorum and never gets ready."""
        for node in nodes:
            node.launch()
        for node in nodes:
            node.await_ready()

    @staticmethod
    def stop(nodes: Sequence[Broker]) -> None:
        for node in nodes:
            node.stop()

    @staticmethod
    def _folder(folder: Path, node: int) -> Path:
        made = folder / f"node-{node}"
        made.mkdir()
        return made


def new_id() -> str:
    return urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


def java(*arguments: str) -> list[str]:
    """The command line of a JVM that is cheap to start, with Kafka's classes.

    Their paths are always the same ones: a JVM takes an archive of classes for no others.
    """
    classes = os.pathsep.join(map(str, sorted(LIBS.resolve().glob("*.jar"))))
    return ["java", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", classes, *arguments]


@cache
def first_metadata(*adding: str) -> bytes:
    """The metadata that every new node begins with. `adding` are more words for Kafka's storage tool."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        properties = SERVER.format(
            node=1, voters="1@127.0.0.1:1", port=2, controller=1, folder=folder, replicas=1, in_sync=1
        )
        (folder / "server.properties").write_text(properties)
        command = ["kafka.tools.StorageTool", "format", f"--cluster-id={new_id()}", "-c", f"{folder}/server.properties"]
        subprocess.run(java(*command, *adding), check=True, capture_output=True, timeout=START_SECONDS)
        return (folder / "logs" / "bootstrap.checkpoint").read_bytes()


class _Archiving(Broker):
    """Writes the archive when it ends."""

    @staticmethod
    def _jvm() -> list[str]:
        return java(f"-XX:ArchiveClassesAtExit={CLASSES}")

    def stop(self) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait()


def archive_classes() -> None:
    """Write `CLASSES`, once for this JVM and these jars. A JVM that it does not fit ignores it."""
    with tempfile.TemporaryDirectory() as folder, _Archiving(Path(folder)):
        pass


if __name__ == "__main__":
    archive_classes()
