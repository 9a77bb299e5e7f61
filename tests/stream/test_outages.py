"""Kafka and PostgreSQL are killed under real workers. On-call gets an alert for the dead dependency only."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from uuid import uuid4

import pytest
from websockets.exceptions import WebSocketException

from tests.broker import Broker
from tests.deploy.notified import OnCall, notifying
from tests.pipeline.review import postgres
from tests.stream.test_deployment import Role, speak

pytestmark = [pytest.mark.broker, pytest.mark.weights, pytest.mark.drill]

FACTOR = 8.0
"""A quarter of an hour in production takes two minutes here, but a worker does not start faster."""
OUTAGE_SECONDS = 60.0
CALM_SECONDS = 30.0
PATIENCE_SECONDS = 240.0
NAMES = ("gateway", "segment", "transcribe", "judge", "deliver", "console")
WORKERS = ("segment", "transcribe", "judge", "deliver")


class Host:
    """Acts as an orchestrator: restarts ended processes and watches the liveness probes of the workers."""

    def __init__(self, roles: Mapping[str, Role]) -> None:
        self._roles = roles
        self._over = threading.Event()
        self.red: list[str] = []

    @contextmanager
    def keeping(self) -> Iterator[None]:
        threads = [threading.Thread(target=each) for each in (self._keep, self._talk)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    def _keep(self) -> None:
        while not self._over.wait(1):
            for name, role in self._roles.items():
                if not role.process.alive:
                    role.process.start()
                elif name in WORKERS and (status := probe(role, "/healthz")) and status != 200:
                    self.red.append(name)

    def _talk(self) -> None:
        """Speak from time to time. The app reconnects when the gateway tells it to."""
        while not self._over.wait(20):
            with suppress(OSError, WebSocketException):
                speak(self._roles["gateway"].port)


def probe(role: Role, path: str) -> int:
    """Return the status of a probe; 0 if nobody answers."""
    connection = HTTPConnection("127.0.0.1", role.metrics_port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, HTTPException):
        return 0
    finally:
        connection.close()


def until(happened: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not happened():
        assert time.monotonic() < deadline, what
        time.sleep(0.5)


@pytest.mark.timeout(900)
def test_on_call_gets_alerts_for_the_cause_and_not_for_its_effects(tmp_path: Path) -> None:
    with ExitStack() as running:
        broker_folder = tmp_path / "kafka"
        broker_folder.mkdir()
        broker = running.enter_context(Broker(broker_folder))
        database = running.enter_context(postgres.running())
        addresses = {
            "VOXWARDEN_KAFKA__BOOTSTRAP": broker.bootstrap,
            "VOXWARDEN_KAFKA__PREFIX": f"{uuid4().hex[:8]}.",
            "VOXWARDEN_STORE__URL": database.url,
            "VOXWARDEN_GATEWAY__HOST": "127.0.0.1",
            "VOXWARDEN_CONSOLE__HOST": "127.0.0.1",
        }
        topics = Role("topics", tmp_path, addresses).process
        assert topics.wait(60) == 0, topics.log
        roles = {name: Role(name, tmp_path, addresses) for name in NAMES}
        for role in roles.values():
            running.callback(role.process.close)
        for name in NAMES:
            until(lambda role=roles[name]: probe(role, "/readyz") == 200, f"{name} is not ready")  # type: ignore[misc]
        host, on_call = Host(roles), OnCall()
        running.enter_context(host.keeping())
        targets = {name: f"127.0.0.1:{role.metrics_port}" for name, role in roles.items()}
        figures = running.enter_context(notifying(tmp_path, targets, on_call, FACTOR))
        figures.wait_for_all([f'up{{role="{name}"}} == 1' for name in roles])
        time.sleep(CALM_SECONDS)
        assert on_call.names == set(), "without a fault there is no alert"

        for name, kill, start in (
            ("database", database.kill, database.start),
            ("kafka", broker.stop, broker.start),
        ):
            kill()
            until(lambda: bool(on_call.told), f"nobody is told that {name} is down")
            time.sleep(OUTAGE_SECONDS)
            assert figures.query(f'min(voxwarden_dependency_up{{dependency="{name}"}})')[0]["value"][1] == "0"
            start()
            until(lambda: figures.query("ALERTS") == [], "alerts stay, or wait to be told")
            assert on_call.names == {("VoxwardenDependencyDown", name)}
            assert {alert["annotations"]["runbook_url"] for alert in on_call.told} == {
                "docs/operate-runbooks.md#dependency-down"
            }
            assert "runbooks" not in on_call.told[0]["labels"]
            on_call.told.clear()
        assert host.red == [], "a probe must not restart a worker for a dependency"
