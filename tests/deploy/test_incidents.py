"""One incident gives one alert. A real Prometheus and Alertmanager watch the metrics of a whole service."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pipeline.base.metrics import Metrics
from pipeline.base.metrics_server import serving
from pipeline.contract.topology import STAGES
from tests.deploy.notified import OnCall, notifying

FACTOR = 30
ROLES = ("gateway", *(stage.name for stage in STAGES if not stage.switch), "console")
PATIENCE_SECONDS = 120
LATER_SECONDS = 12
"""Six minutes of the service, in which no other alert may come."""


class Service:
    """Processes of all roles, with metrics that move as in a healthy service."""

    def __init__(self, stack: ExitStack) -> None:
        self.metrics = Metrics()
        self.targets: dict[str, str] = {}
        self.processes = {role: stack.enter_context(ExitStack()) for role in ROLES}
        for role, process in self.processes.items():
            shown = self.metrics if role == "deliver" else Metrics()
            self.targets[role] = urlsplit(process.enter_context(serving(shown, "127.0.0.1", 0))).netloc
        self.judging = self.answering = True

    def work(self) -> None:
        """One moment of work: speech, flags, decisions and webhooks."""
        self.metrics.counted_seconds.labels("game", "segmented").inc(100)
        self.metrics.counted_seconds.labels("game", "monitored").inc(100 if self.judging else 0)
        if self.judging:
            self.metrics.speech_to_flag.observe(0.8)
        self.metrics.decisions.labels("uphold").inc()
        self.metrics.review_deadlines.labels("high", "met").inc()
        self.metrics.webhooks.labels("sent" if self.answering else "retried").inc()


def the_app_fails(service: Service) -> None:
    service.answering = False


def verdicts_get_lost(service: Service) -> None:
    service.judging = False


def the_judge_stops(service: Service) -> None:
    """Its speech gets no verdicts, but this must not give a second alert."""
    service.processes["judge"].close()
    service.judging = False


Incident = Callable[[Service], None]
Alert = tuple[str, str]
"""Its name and its subject."""

INCIDENTS: dict[Incident, Alert] = {
    the_app_fails: ("VoxwardenWebhooksFail", ""),
    verdicts_get_lost: ("VoxwardenMonitoredBudget", ""),
    the_judge_stops: ("VoxwardenWorkerDown", "judge"),
}
"""The alert of each incident."""


def told(incident: Incident, folder: Path) -> set[Alert]:
    """Let an incident happen to a service that worked well. Return all alerts of which on-call was told."""
    on_call = OnCall()
    with ExitStack() as stack:
        service = Service(stack)
        with notifying(folder, service.targets, on_call, FACTOR) as figures:
            figures.wait_for_all(['voxwarden:slo:burn_rate1h{slo="monitored"} < 1'], service.work)
            assert on_call.names == set()
            incident(service)
            work_until(service, lambda: INCIDENTS[incident] in on_call.names, PATIENCE_SECONDS)
            work_until(service, lambda: False, LATER_SECONDS)
    return on_call.names


@pytest.fixture(scope="module")
def all_told(tmp_path_factory: pytest.TempPathFactory) -> dict[Incident, Future[set[Alert]]]:
    """Return the alerts of each incident. All incidents happen at the same time, because each of them mostly waits."""
    with ThreadPoolExecutor() as pool:
        return {each: pool.submit(told, each, tmp_path_factory.mktemp("told")) for each in INCIDENTS}


@pytest.mark.parametrize("incident", INCIDENTS, ids=lambda incident: incident.__name__)
def test_one_incident_gives_one_alert(incident: Incident, all_told: dict[Incident, Future[set[Alert]]]) -> None:
    assert all_told[incident].result() == {INCIDENTS[incident]}


def work_until(service: Service, done: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not done() and time.monotonic() < deadline:
        service.work()
        time.sleep(0.2)
