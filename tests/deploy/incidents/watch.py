"""What on-call sees of a live service: the alerts of an incident, and the panels of the dashboards."""

import json
import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch

from deploy.dashboards import files
from tests.deploy.incidents.incidents import LiveIncident
from tests.deploy.incidents.service import LiveService
from tests.deploy.notified import OnCall, subject_of
from tests.deploy.prometheus import Prometheus

PATIENCE_SECONDS = 330.0
"""The console counts spreading terms every five minutes."""
HOLD_MINUTES = 8.0
"""Minutes of the rules for which the incident goes on after its alert, so that later alerts can come."""
CALM_SECONDS = 600.0
LOOK_SECONDS = 0.5
STILL = 'ALERTS{alertname!~"VoxwardenRunbooks|VoxwardenKnownCauseLong|Voxwarden.*BudgetSlow"}'
"""Alerts that must end before the next incident. The others last for hours, or always."""
STEP_SECONDS = 5.0
VALUES = {"$__rate_interval": "20s", "$job": ".*", "$instance": ".*"}


@dataclass(frozen=True, slots=True)
class Observed:
    """The alerts of an incident, in order, with the seconds from its start to the notification."""

    told: dict[str, float]
    muted: set[str]
    """Alerts that fired, but of which nobody was told."""
    calm: bool
    """Whether all alerts ended afterwards."""

    def missing(self, incident: LiveIncident) -> list[str]:
        """The expected alerts that did not come."""
        return [pattern for pattern in incident.expected if not any(fnmatch(name, pattern) for name in self.told)]

    def others(self, incident: LiveIncident) -> list[str]:
        """The alerts that should not have come."""
        patterns = incident.expected + incident.also
        return [name for name in self.told if not any(fnmatch(name, pattern) for pattern in patterns)]


class AlertWatch:
    """Watches `service` through Prometheus, whose rules are `factor` times as fast as in production."""

    def __init__(self, service: LiveService, figures: Prometheus, on_call: OnCall, factor: float) -> None:
        self._service, self._figures, self._on_call = service, figures, on_call
        self._hold = HOLD_MINUTES * 60 / factor
        self._began = time.time()

    def observe(self, incident: LiveIncident) -> Observed:
        """Let the incident happen, and wait until all is well again."""
        self._on_call.told.clear()
        self._began = time.time()
        told: dict[str, float] = {}
        with incident.happening(self._service):
            self._look(told, lambda: not Observed(told, set(), calm=True).missing(incident), PATIENCE_SECONDS)
            self._look(told, lambda: False, self._hold)
        calm = self.calm(told)
        return Observed(told, self._fired() - told.keys(), calm)

    def calm(self, told: dict[str, float] | None = None) -> bool:
        """Wait until all alerts are over, and note new ones. Returns whether they ended in time."""
        return self._look({} if told is None else told, lambda: self._figures.query(STILL) == [], CALM_SECONDS)

    def empty(self, since: float) -> tuple[int, list[str]]:
        """Return how many expressions the dashboards have, and those without any value since then (UTC seconds)."""
        boards = [json.loads(text) for text in files().values()]
        panels = [panel for board in boards for panel in board["panels"]]
        written = dict.fromkeys(target["expr"] for panel in panels for target in panel.get("targets", []))
        return len(written), [each for each in written if not self._has_values(each, since)]

    def _look(self, told: dict[str, float], done: Callable[[], bool], seconds: float) -> bool:
        """Note new alerts until `done`. Returns whether it was done in time."""
        deadline = time.monotonic() + seconds
        while not (finished := done()) and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
            for alert, subject in sorted(self._on_call.names):
                told.setdefault(short(alert, subject), time.time() - self._began)
        return finished

    def _fired(self) -> set[str]:
        alerts = f'last_over_time(ALERTS{{alertstate="firing", severity!="none"}}[{STEP_SECONDS:g}s])'
        found = self._figures.query_range(alerts, self._began, time.time(), STEP_SECONDS)
        return {short(each["metric"]["alertname"], subject_of(each["metric"])) for each in found}

    def _has_values(self, expression: str, since: float) -> bool:
        query = re.sub(r"\$\w+", lambda found: VALUES[found[0]], expression)
        series = self._figures.query_range(query, since, time.time(), STEP_SECONDS)
        return any(math.isfinite(float(value)) for each in series for _, value in each["values"])


def short(alert: str, subject: str) -> str:
    """An alert's name without the prefix, and its subject."""
    return f"{alert.removeprefix('Voxwarden')} {subject}".strip()
