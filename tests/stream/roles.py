"""The services of deploy/compose.yaml as plain processes, and a host that restarts them."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from pipeline.contract.topology import STAGES
from tests.broker import ROOT
from tests.deploy.stack import SECRETS, stack
from tests.ports import free_port
from tests.stream.processes import Process

WORKERS = tuple(stage.name for stage in STAGES if not stage.switch)
NAMES = ("gateway", *WORKERS, "console")
VOICE = ROOT / "pipeline" / "runner" / "demo" / "lounge-ben.ogg"
"""A speaker of the demo: a threat among harmless sentences."""
FROM, TO = 18.0, 30.0
"""Length in seconds."""
PATIENCE_SECONDS = 240.0


class Role:
    """A service of the compose file with its own command and environment. Only the addresses are changed.

    `more` are further variables. `module` is the Python module that runs the command.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        addresses: Mapping[str, str],
        more: Mapping[str, str] = {},
        module: str = "agents",
    ) -> None:
        variables = SECRETS | {"ASR_MODEL": "tiny.en", "KAFKA_PARTITIONS": "2"}
        service = stack(variables)["services"][name]
        self.port, self.metrics_port = free_port(), free_port()
        written = {key: str(value) for key, value in service["environment"].items()}
        here = {key: value for key, value in addresses.items() if key in written}
        given = {
            "VOXWARDEN_DATA_DIR": str(folder / "voxwarden"),
            "VOXWARDEN_KAFKA__PREFIX": addresses["VOXWARDEN_KAFKA__PREFIX"],
            "VOXWARDEN_GATEWAY__PORT": str(self.port),
            "VOXWARDEN_CONSOLE__PORT": str(self.port),
            "VOXWARDEN_METRICS__PORT": str(self.metrics_port),
            "OMP_NUM_THREADS": "2",
            "SSL_CERT_FILE": os.devnull,  # see processes.py
            "PATH": os.environ["PATH"],
        }
        command = [sys.executable, "-m", module, *service["command"]]
        self.process = Process(command, written | here | given | dict(more), folder / f"{name}.log")

    @property
    def target(self) -> str:
        """Where Prometheus finds its metrics: host and port."""
        return f"127.0.0.1:{self.metrics_port}"

    def probe(self, path: str) -> int:
        """Return the status of a probe; 0 if nobody answers."""
        connection = HTTPConnection("127.0.0.1", self.metrics_port, timeout=10)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except (OSError, HTTPException):
            return 0
        finally:
            connection.close()


class RoleHost:
    """Acts as an orchestrator: restarts ended processes, but leaves the roles in `stopped` alone."""

    def __init__(self, roles: Mapping[str, Role]) -> None:
        self.roles = roles
        self.stopped: set[str] = set()
        self._over = threading.Event()

    @contextmanager
    def keeping(self) -> Iterator[None]:
        thread = threading.Thread(target=self._keep)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _keep(self) -> None:
        while not self._over.wait(1):
            for name in self.roles.keys() - self.stopped:
                if not self.roles[name].process.alive:
                    self.roles[name].process.start()


def addresses_of(bootstrap: str, prefix: str, store_url: str) -> dict[str, str]:
    """Return the variables that differ from those of the compose file."""
    return {
        "VOXWARDEN_KAFKA__BOOTSTRAP": bootstrap,
        "VOXWARDEN_KAFKA__PREFIX": prefix,
        "VOXWARDEN_STORE__URL": store_url,
        "VOXWARDEN_GATEWAY__HOST": "127.0.0.1",
        "VOXWARDEN_CONSOLE__HOST": "127.0.0.1",
    }


def until(happened: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until `happened`. Raises AssertionError with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            raise AssertionError(what)
        time.sleep(0.5)
