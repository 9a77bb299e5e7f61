"""A live service with real Kafka, PostgreSQL and Whisper: on-call is told of each incident, and of nothing else."""

from pathlib import Path

import pytest

from tests.deploy.incidents.__main__ import run
from tests.deploy.incidents.incidents import INCIDENTS

pytestmark = [pytest.mark.broker, pytest.mark.weights, pytest.mark.drill]


@pytest.mark.timeout(2400)
def test_an_incident_gives_its_own_alerts_only(tmp_path: Path) -> None:
    chosen = {name: INCIDENTS[name] for name in ("malformed", "database", "kafka")}
    rows, _ = run(tmp_path, chosen, factor=10, model="tiny.en")
    for incident, seen in rows:
        assert (seen.missing(incident), seen.others(incident), seen.calm) == ([], [], True), incident.what
