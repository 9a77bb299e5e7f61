"""The doctor looks at a real broker: topics, groups, members and lag."""

import os
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from agents.deployment_checks import checks
from agents.machine_checks import DoctorResult, examine
from pipeline.contract.topology import DELIVER, FLAGS
from pipeline.settings import Settings
from tests.builders import flag
from tests.stream.kafka_io import put, wait_for_members
from tests.stream.processes import Process, environment

pytestmark = pytest.mark.broker


def findings(settings: Settings) -> dict[str, DoctorResult]:
    return {found.what: found for found in examine(settings, checks(settings, (), ()))}


def test_missing_topics_are_named(bare: Settings) -> None:
    found = findings(bare)["Kafka topics"]
    assert (found.state, f"{bare.kafka.prefix}voice.audio is missing" in found.detail) == ("fault", True)
    assert "voxwarden topics create" in found.detail


def test_topics_and_workers_are_seen(settings: Settings, tmp_path: Path) -> None:
    put(settings, FLAGS, [flag(str(number), 10.0 * number) for number in range(3)])
    before = findings(settings)
    assert (before["Kafka topics"].state, "2 partitions" in before["Kafka topics"].detail) == ("ok", True)
    assert before["workers of deliver"].state == "fault"
    assert "no worker; 3 records wait" in before["workers of deliver"].detail
    process = Process(
        [sys.executable, "-m", "agents", "worker", "deliver"], os.environ | environment(settings), tmp_path / "log"
    )
    try:
        wait_for_members(settings, DELIVER, 1)
        found = findings(settings)["workers of deliver"]
        assert (found.state, found.detail.startswith("1; ")) == ("ok", True)
        assert findings(settings)["versions"].detail == f"{version('voxwarden')}: 1 deliver"
        assert process.stop() == 0
    finally:
        process.close()
