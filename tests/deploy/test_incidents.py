"""One incident gives one alert, and one line on the dashboard. A real Prometheus and Alertmanager watch a service."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from deploy import alert_table
from pipeline.base.metrics import Metrics
from pipeline.base.metrics_server import serving
from pipeline.contract.topology import STAGES
from tests.deploy.notified import OnCall, announce, notifying
from tests.deploy.prometheus import Prometheus

FACTOR = 30
ROLES = ("gateway", *(stage.name for stage in STAGES if not stage.switch), "console")
ONE_MACHINE = ("run",)
PATIENCE_SECONDS = 120
CALM_SECONDS = 4
"""Two minutes of the service, in which no alert may come."""
LATER_SECONDS = 12
"""Six minutes of the service, in which no other alert may come."""


class Service:
    """Processes of all roles, with metrics that move as in a healthy service. Prometheus reads `folder`."""

    def __init__(self, stack: ExitStack, folder: Path, roles: tuple[str, ...]) -> None:
        self.metrics, self.folder = Metrics(), folder
        self.targets: dict[str, str] = {}
        self.processes = {role: stack.enter_context(ExitStack()) for role in roles}
        for role, process in self.processes.items():
            shown = self.metrics if role in {"deliver", "run"} else Metrics()
            self.targets[role] = urlsplit(process.enter_context(serving(shown, "127.0.0.1", 0))).netloc
        self.judging = self.answering = self.storing = True
        self.metrics.dependency_up.labels("database").set(1)
        self.metrics.dead_letters.labels("segment")

    def work(self) -> None:
        """One moment of work: speech, flags, decisions and webhooks."""
        self.metrics.counted_seconds.labels("game", "segmented").inc(100)
        self.metrics.counted_seconds.labels("game", "monitored").inc(100 if self.judging else 0)
        if self.judging:
            self.metrics.speech_to_flag.observe(0.8)
        if not self.storing:  # a moment is six seconds of the rules
            self.metrics.committed_age_seconds.labels("deliver").inc(6)
            self.metrics.lag_messages.labels("deliver").inc(100)
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


def the_database_stops(service: Service) -> None:
    """Deliver stands still, too."""
    service.metrics.dependency_up.labels("database").set(0)
    service.storing = False


def the_console_is_gone(service: Service) -> None:
    """Service discovery does not find it. For Prometheus, it is the same whether it runs."""
    announce(service.folder, {role: target for role, target in service.targets.items() if role != "console"})


def an_app_sends_no_audio(service: Service) -> None:
    service.metrics.dead_letters.labels("segment").inc(5)


def the_machine_stops(service: Service) -> None:
    service.processes["run"].close()
    service.judging = False


Incident = Callable[[Service], None]
Alert = tuple[str, str]
"""Its name and its subject."""


class Line(NamedTuple):
    """A line of the table on the dashboard."""

    severity: str
    alert: str
    where: str

    @property
    def subject(self) -> Alert:
        """The alert as on-call is told of it."""
        return self.alert, self.where.partition(" ")[0]


INCIDENTS: dict[Incident, Line] = {
    the_app_fails: Line("ticket", "VoxwardenWebhooksFail", ""),
    verdicts_get_lost: Line("page", "VoxwardenMonitoredBudget", ""),
    the_judge_stops: Line("page", "VoxwardenWorkerDown", "judge 127.0.0.1"),
    the_database_stops: Line("page", "VoxwardenDependencyDown", "database"),
    the_console_is_gone: Line("page", "VoxwardenRoleMissing", "console"),
    an_app_sends_no_audio: Line("ticket", "VoxwardenDeadLetters", "segment"),
    the_machine_stops: Line("page", "VoxwardenWorkerDown", "run 127.0.0.1"),
}
"""The one alert of each incident."""


AT_ONCE = 2
"""With more, two cores that also run other tests are too slow for the processes of all services."""


class Seen(NamedTuple):
    """All alerts of which on-call was told, and the lines of the table before and at the end of the incident."""

    told: set[Alert]
    before: list[Line]
    lines: list[Line]
    since: list[float]
    """The beginning of each line: seconds after that of the incident."""


def seen(incident: Incident, folder: Path) -> Seen:
    """Let an incident happen to a service that worked well."""
    on_call = OnCall()
    roles = ONE_MACHINE if incident is the_machine_stops else ROLES
    with ExitStack() as stack:
        service = Service(stack, folder, roles)
        with notifying(folder, service.targets, on_call, FACTOR) as figures:
            figures.wait_for_all(['voxwarden:slo:burn_rate1h{slo="monitored"} < 1'], service.work)
            work_until(service, lambda: False, CALM_SECONDS)
            assert on_call.names == set()
            before, began = [line for line, _ in lines(figures)], time.time()
            incident(service)
            work_until(service, lambda: INCIDENTS[incident].subject in on_call.names, PATIENCE_SECONDS)
            work_until(service, lambda: False, LATER_SECONDS)
            table = lines(figures)
    return Seen(on_call.names, before, [line for line, _ in table], [since - began for _, since in table])


def lines(figures: Prometheus) -> list[tuple[Line, float]]:
    """Return the lines of the table, each with its beginning in UTC seconds."""
    found = [(sample["metric"], float(sample["value"][1])) for sample in figures.query(alert_table.query())]
    return [
        (Line(each["severity"], each["alertname"], each["where"].strip().partition(":")[0]), since / 1000)
        for each, since in found
    ]


@pytest.fixture(scope="module")
def all_seen(tmp_path_factory: pytest.TempPathFactory) -> dict[Incident, Future[Seen]]:
    """Return what on-call saw. Some incidents happen at the same time, because each of them mostly waits."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return {each: pool.submit(seen, each, tmp_path_factory.mktemp("seen")) for each in INCIDENTS}


@pytest.mark.parametrize("incident", INCIDENTS, ids=lambda incident: incident.__name__)
def test_one_incident_gives_one_alert(incident: Incident, all_seen: dict[Incident, Future[Seen]]) -> None:
    assert all_seen[incident].result().told == {INCIDENTS[incident].subject}


@pytest.mark.parametrize("incident", INCIDENTS, ids=lambda incident: incident.__name__)
def test_the_dashboard_names_the_fault_in_one_line(incident: Incident, all_seen: dict[Incident, Future[Seen]]) -> None:
    found = all_seen[incident].result()
    assert (found.before, found.lines) == ([], [INCIDENTS[incident]])
    assert found.since[0] > -1  # Prometheus counts whole seconds


def work_until(service: Service, done: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not done() and time.monotonic() < deadline:
        service.work()
        time.sleep(0.2)
