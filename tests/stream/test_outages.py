"""Kafka and PostgreSQL are killed under real workers. On-call gets an alert for the dead dependency only."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import pytest
from websockets.exceptions import WebSocketException

from tests.broker import Broker
from tests.deploy.notified import OnCall, notifying
from tests.pipeline.review import postgres
from tests.stream.roles import NAMES, Role, RoleHost, addresses_of, speak, until

pytestmark = [pytest.mark.broker, pytest.mark.weights, pytest.mark.drill]

FACTOR = 8.0
"""A quarter of an hour in production takes two minutes here, but a worker does not start faster."""
OUTAGE_SECONDS = 60.0
CALM_SECONDS = 30.0


@contextmanager
def talking(gateway: Role) -> Iterator[None]:
    """Speak from time to time. The app reconnects when the gateway tells it to."""
    over = threading.Event()

    def talk() -> None:
        while not over.wait(20):
            with suppress(OSError, WebSocketException):
                speak(gateway.port)

    thread = threading.Thread(target=talk)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.timeout(900)
def test_on_call_gets_alerts_for_the_cause_and_not_for_its_effects(tmp_path: Path) -> None:
    with ExitStack() as running:
        broker_folder = tmp_path / "kafka"
        broker_folder.mkdir()
        broker = running.enter_context(Broker(broker_folder))
        database = running.enter_context(postgres.running())
        addresses = addresses_of(broker.bootstrap, f"{uuid4().hex[:8]}.", database.url)
        topics = Role("topics", tmp_path, addresses).process
        assert topics.wait(60) == 0, topics.log
        roles = {name: Role(name, tmp_path, addresses) for name in NAMES}
        for role in roles.values():
            running.callback(role.process.close)
        for name in NAMES:
            until(lambda role=roles[name]: role.probe("/readyz") == 200, f"{name} is not ready")  # type: ignore[misc]
        host, on_call = RoleHost(roles), OnCall()
        running.enter_context(host.keeping())
        running.enter_context(talking(roles["gateway"]))
        targets = {name: role.target for name, role in roles.items()}
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
            until(lambda: figures.query('ALERTS{severity!="none"}') == [], "alerts stay, or wait to be told")
            assert on_call.names == {("VoxwardenDependencyDown", name)}
            assert {alert["annotations"]["runbook_url"] for alert in on_call.told} == {
                "docs/runbooks.md#dependency-down"
            }
            assert "runbooks" not in on_call.told[0]["labels"]
            on_call.told.clear()
        assert host.red == [], "a probe must not restart a worker for a dependency"
