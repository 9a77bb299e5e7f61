"""A live service with real Kafka, PostgreSQL and Whisper: on-call is told of one incident, and of nothing else."""

from pathlib import Path

import pytest

from tests.deploy.incidents.__main__ import run
from tests.deploy.incidents.incidents import INCIDENTS

pytestmark = [pytest.mark.broker, pytest.mark.weights, pytest.mark.drill]


@pytest.mark.timeout(1200)
def test_bad_records_give_the_ticket_about_dead_letters_only(tmp_path: Path) -> None:
    incident = INCIDENTS["malformed"]
    [(_, seen)], _ = run(tmp_path, {"malformed": incident}, factor=10, model="tiny.en")
    assert seen.missing(incident) == []
    assert seen.others(incident) == []
    assert seen.calm
