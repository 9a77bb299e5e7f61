"""The services of deploy/compose.yaml run as plain processes: live audio goes in, and a case with a clip comes out."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.request import urlopen
from uuid import uuid4

import pytest

from agents.deployment_checks import checks
from agents.machine_checks import examine
from pipeline.contract.topology import STAGES
from pipeline.review.cases.values import Case, Filters
from pipeline.review.database import Database
from pipeline.review.review_store import SqlReviewStore
from pipeline.settings import Kafka, Settings, Store
from tests.deploy.prometheus import Prometheus, prometheus
from tests.pipeline.review import postgres
from tests.stream.roles import NAMES, Role, addresses_of, speak

pytestmark = [pytest.mark.broker, pytest.mark.weights]

PATIENCE_SECONDS = 120


@pytest.fixture
def store_url() -> Iterator[str]:
    with postgres.server() as url:
        yield url


def clips_of(url: str, alive: Callable[[], None]) -> list[tuple[Case, str]]:
    """Wait for a case with a clip, and return these cases and the paths of their clips."""
    store = SqlReviewStore(Database(url))
    deadline = time.monotonic() + PATIENCE_SECONDS
    try:
        while True:
            files = [store.case(case.id) for case in store.cases(Filters())]
            if found := [(file.case, clip.path) for file in files for clip in file.evidence]:
                return found
            alive()
            assert time.monotonic() < deadline, f"{len(files)} cases, none with a clip"
            time.sleep(0.5)
    finally:
        store.close()


def check_figures(figures: Prometheus, roles: dict[str, Role]) -> None:
    """Check the metrics that operators see."""
    figures.wait_for_all(["voxwarden:speech_to_flag_seconds:p95_5m", "voxwarden:dead_letters:ratio_rate10m"])
    up = {sample["metric"]["role"]: sample["value"][1] for sample in figures.query('up{job="voxwarden"}')}
    assert up == dict.fromkeys(roles, "1")
    [kept] = figures.query("voxwarden_evidence_retention_seconds > 0")
    assert float(kept["value"][1]) == 24 * 3600
    assert figures.query("sum(voxwarden_dead_letters_total)")[0]["value"][1] == "0"
    assert figures.query('ALERTS{alertname=~"VoxwardenWorkerDown|VoxwardenRoleMissing"}') == []


def check_with_doctor(addresses: dict[str, str], data: Path, roles: dict[str, Role]) -> None:
    """Let the doctor look at all parts. It finds nothing wrong."""
    kafka = Kafka(
        bootstrap=addresses["VOXWARDEN_KAFKA__BOOTSTRAP"], prefix=addresses["VOXWARDEN_KAFKA__PREFIX"], partitions=2
    )
    store = Store.model_validate({"url": addresses["VOXWARDEN_STORE__URL"]})
    settings = Settings(kafka=kafka, store=store, data_dir=data)
    services = [f"ws://127.0.0.1:{roles['gateway'].port}", f"http://127.0.0.1:{roles['console'].port}/healthz"]
    found = list(examine(settings, checks(settings, [role.target for role in roles.values()], services)))
    assert [each for each in found if each.state != "ok"] == []
    running = [stage for stage in STAGES if not stage.switch]
    assert len(found) == 7 + len(running) + len(roles) + len(services)


@pytest.mark.timeout(400)
def test_the_compose_file_is_a_working_stack(bootstrap: str, store_url: str, tmp_path: Path) -> None:
    addresses = addresses_of(bootstrap, f"{uuid4().hex[:8]}.", store_url)
    topics = Role("topics", tmp_path, addresses).process
    assert topics.wait(60) == 0, topics.log
    with ExitStack() as running:
        roles = {name: Role(name, tmp_path, addresses) for name in NAMES}
        for role in roles.values():
            running.callback(role.process.close)
        targets = {name: role.target for name, role in roles.items()}
        figures = running.enter_context(prometheus(tmp_path, targets))
        figures.wait_for_all([f'up{{role="{name}"}} == 1' for name in roles])
        speak(roles["gateway"].port)

        def alive() -> None:
            for role in roles.values():
                role.process.running()

        clips = clips_of(store_url, alive)
        with urlopen(f"http://127.0.0.1:{roles['console'].port}/healthz") as answer:
            assert answer.read() == b"ok\n"
        check_with_doctor(addresses, tmp_path / "voxwarden", roles)
        check_figures(figures, roles)
        assert {name: role.process.stop() for name, role in roles.items()} == dict.fromkeys(roles, 0)
    for case, path in clips:
        assert (case.room, case.speaker) == ("lounge", "ben")
        assert (tmp_path / "voxwarden" / "evidence" / path).stat().st_size > 1000
