"""A real Apache Kafka for tests and benchmarks: one KRaft node in a temporary folder, on a free loopback port.

with Broker(folder) as broker:
    ... broker.bootstrap ...
"""

import os
import shutil
import socket
import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).parent.parent
LIBS = ROOT / ".cache" / "kafka" / "libs"
REMEDY = "mvn -q -f tests/stream/pom.xml dependency:copy-dependencies (or name a broker in KAFKA_BOOTSTRAP)"
START_SECONDS = 60

SERVER = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={folder}/logs
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
"""


class BrokerMissingError(RuntimeError):
    """There is nothing to start a broker from; says what to do."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class Broker:
    """A broker process; can be stopped and started again with its data."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        if not any(LIBS.glob("kafka_*.jar")):
            raise BrokerMissingError(f"No Apache Kafka in {LIBS}. Fetch it: {REMEDY}.")
        if not shutil.which("java"):
            raise BrokerMissingError("No java on the PATH. Install a Java 17 or newer runtime.")

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self._port}"

    def __enter__(self) -> "Broker":
        self._format()
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Start, and wait until it takes connections."""
        with (self._folder / "broker.log").open("ab") as output:
            self._process = subprocess.Popen(
                self._java("kafka.Kafka", str(self._folder / "server.properties")),
                stdout=output,
                stderr=output,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Kafka did not start: {(self._folder / 'broker.log').read_text()[-2000:]}")
            time.sleep(0.1)

    def stop(self) -> None:
        if self._process:
            self._process.kill()  # the data is not wanted, and a clean stop takes seconds
            self._process.wait()
            self._process = None

    def _format(self) -> None:
        properties = SERVER.format(port=self._port, controller=free_port(), folder=self._folder)
        (self._folder / "server.properties").write_text(properties)
        cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        command = ["kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(self._folder / "server.properties")]
        subprocess.run(self._java(*command), check=True, capture_output=True, timeout=START_SECONDS)

    def _java(self, *command: str) -> list[str]:
        return [
            "java",
            "-Xmx384m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-cp",
            os.pathsep.join(map(str, LIBS.glob("*.jar"))),
            *command,
        ]

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0
