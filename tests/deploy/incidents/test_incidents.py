"""The incidents of tests/deploy/incidents name alerts that exist, and its verdict tells them apart."""

import pytest

from tests.deploy.files import alerts
from tests.deploy.incidents.incidents import INCIDENTS, LiveIncident
from tests.deploy.incidents.watch import Observed, short

NAMES = {short(rule["alert"], "") for rule in alerts()}


@pytest.mark.parametrize("incident", INCIDENTS.values(), ids=INCIDENTS)
def test_each_expected_alert_exists(incident: LiveIncident) -> None:
    assert {pattern.partition(" ")[0] for pattern in incident.expected + incident.also} <= NAMES
    assert incident.what


def test_alerts_are_expected_missing_or_other_ones() -> None:
    incident = LiveIncident(INCIDENTS["nothing"].happening, ("Lag transcribe", "Coverage *"), also=("FlagLatency",))
    seen = Observed(
        {"Coverage game": 3.0, "Coverage kids": 4.0, "FlagLatency": 5.0, "Lag judge": 6.0}, set(), calm=True
    )
    assert seen.missing(incident) == ["Lag transcribe"]
    assert seen.others(incident) == ["Lag judge"]
