"""Real workers: their probes, their membership in the group, and partitions that are added while they run."""

import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path

import pytest

from agents.broker.kafka_clients import admin, topic_name
from agents.loop.faust_app import group_of
from agents.loop.work import BatchWork
from agents.loop.worker_process import loop_of
from pipeline.base.metrics import Metrics
from pipeline.contract.topology import DELIVER, FLAGS, JUDGE, TRANSCRIPTS
from pipeline.settings import Settings
from tests.builders import transcript
from tests.ports import free_port
from tests.stream.kafka_io import PATIENCE_SECONDS, grow, put, wait_for, wait_for_members
from tests.stream.processes import worker

pytestmark = pytest.mark.broker


def ask(port: int, path: str) -> tuple[int, str]:
    """Return status and text; status 0 if the port is closed."""
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    except ConnectionRefusedError:
        return 0, ""
    finally:
        connection.close()


def until(port: int, path: str, status: int, alive: Callable[[], None]) -> str:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        found, text = ask(port, path)
        if found == status:
            return text
        alive()
        assert time.monotonic() < deadline, f"{path} stays {found}: {text}"
        time.sleep(0.2)


def test_a_worker_that_hangs_fails_its_liveness_probe(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setattr("tests.stream.processes.environment", with_port(port))
    with worker(settings, tmp_path / "log", "tests.stream.stalled") as process:
        until(port, "/readyz", 200, process.running)
        put(settings, TRANSCRIPTS, [transcript("fine", number) for number in range(5)])
        wait_for(settings, FLAGS, lambda flags: len(flags) >= 5, process.running)
        assert ask(port, "/healthz") == (200, "ok\n")
        put(settings, TRANSCRIPTS, [transcript("hang", 5), transcript("fine", 6)])
        reason = until(port, "/healthz", 503, process.running)
        assert reason.startswith("judge has waiting records and has finished nothing for")
        assert ask(port, "/readyz")[0] == 200
        figures = ask(port, "/metrics")[1]
        assert 'voxwarden_lag_messages{stage="judge"} 2.0' in figures
        process.kill()


def test_a_stage_tells_the_health_of_its_worker_that_it_works(settings: Settings) -> None:
    def worked() -> None:
        """Stands for the one of `Health`."""

    loop = loop_of(DELIVER, settings, Metrics(), worked=worked)
    assert isinstance(loop._work, BatchWork)
    assert loop._work.processor.worked is worked
    loop.close()


def with_port(port: int) -> Callable[[Settings], dict[str, str]]:
    from tests.stream.processes import environment

    return lambda settings: environment(settings) | {"VOXWARDEN_METRICS__PORT": str(port)}


def members(settings: Settings) -> list[str | None]:
    """The fixed names of the members; None for a member without one."""
    group = group_of(settings, JUDGE)
    with admin(settings.kafka) as client:
        return [member["group_instance_id"] for member in client.describe_groups([group])[group]["members"]]


def test_a_worker_is_a_member_under_its_name(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pod's name, in Kubernetes."""
    monkeypatch.setenv("VOXWARDEN_KAFKA__INSTANCE", "voxwarden-judge-0")
    with worker(settings, tmp_path / "log", "agents", "worker", "judge"):
        wait_for_members(settings, JUDGE, 1)
        assert members(settings) == ["voxwarden-judge-0"]


def test_a_worker_without_a_name_leaves_when_it_stops(settings: Settings, tmp_path: Path) -> None:
    """Otherwise, its partitions would wait until the broker misses it."""
    with worker(settings, tmp_path / "log", "agents", "worker", "judge") as process:
        wait_for_members(settings, JUDGE, 1)
        assert members(settings) == [None]
        assert process.stop() == 0
        assert members(settings) == []


GROWN = 6


def test_a_running_worker_reads_added_partitions(settings: Settings, tmp_path: Path) -> None:
    with worker(settings, tmp_path / "log", "benchmarks.fast_worker", "judge") as judge:
        put(settings, TRANSCRIPTS, [transcript("hello", 0)])
        wait_for(settings, FLAGS, lambda found: len(found) == 1, judge.running)
        grow(settings, [topic_name(topic, settings.kafka) for topic in (TRANSCRIPTS, FLAGS)], GROWN)
        grown = settings.model_copy(update={"kafka": settings.kafka.model_copy(update={"partitions": GROWN})})
        rooms = [transcript("hello", number, room=f"room-{number}") for number in range(1, 25)]
        written = put(grown, TRANSCRIPTS, rooms)
        assert {place.partition for place in written} > {0, 1}
        wait_for(grown, FLAGS, lambda found: len(found) == 25, judge.running)
