"""How a worker is a member of its consumer group, with and without a fixed name."""

from pathlib import Path

import pytest

from agents.broker.kafka_clients import admin
from agents.loop.faust_app import group_of
from pipeline.contract.topology import JUDGE
from pipeline.settings import Settings
from tests.stream.kafka_io import wait_for_members
from tests.stream.processes import worker

pytestmark = pytest.mark.broker


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
