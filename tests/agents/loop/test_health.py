"""How long a worker has stood still, measured with a fake clock."""

from pathlib import Path

import pytest
from prometheus_client import generate_latest

from agents.loop.faust_app import PartitionName
from agents.loop.health import Health, Progress
from agents.loop.lag import GroupPosition
from pipeline.base.dependencies import Dependencies
from pipeline.base.errors import DependencyError
from pipeline.base.metrics import Metrics
from pipeline.contract.topology import DELIVER, JUDGE
from pipeline.settings import Kafka, Security, Settings

FIRST, SECOND = ("voice.flags", 0), ("voice.flags", 1)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


Looks = list[tuple[float, dict[PartitionName, tuple[int, int]]]]
"""Times, and for each partition the committed offset and the end."""


@pytest.mark.parametrize(
    ("looks", "seconds"),
    [
        pytest.param([(0, {FIRST: (5, 9)}), (20, {FIRST: (5, 30)}), (46, {FIRST: (5, 99)})], 46, id="no commits"),
        pytest.param([(0, {FIRST: (5, 9)}), (44, {FIRST: (6, 500)}), (50, {FIRST: (6, 900)})], 6, id="slow"),
        pytest.param([(0, {FIRST: (9, 9)}), (900, {FIRST: (9, 9)})], 0, id="no traffic"),
        pytest.param([(0, {FIRST: (9, 9)}), (900, {FIRST: (9, 10)}), (910, {FIRST: (9, 10)})], 10, id="records wait"),
        pytest.param(
            [(0, {FIRST: (5, 9), SECOND: (1, 2)}), (60, {FIRST: (5, 9), SECOND: (2, 3)})], 60, id="one partition"
        ),
        pytest.param([(0, {FIRST: (5, 9)}), (30, {}), (60, {FIRST: (5, 9)})], 0, id="another worker took it"),
    ],
)
def test_a_stall_lasts_since_records_wait_without_a_commit(looks: Looks, seconds: float) -> None:
    clock = Clock()
    progress = Progress(clock)
    for clock.now, places in looks:
        progress.see({name: GroupPosition(*place) for name, place in places.items()})
    assert progress.seconds == seconds


def test_a_broker_that_was_down_is_not_the_workers_fault() -> None:
    clock = Clock()
    progress = Progress(clock)
    progress.see({FIRST: GroupPosition(5, 9)})
    clock.now += 100
    assert progress.seconds == 100
    progress.forget()
    progress.see({FIRST: GroupPosition(5, 9)})
    assert progress.seconds == 0


def test_an_unreadable_token_does_not_end_the_watch_and_is_not_the_workers_fault(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    security = Security(protocol="sasl_plaintext", mechanism="OAUTHBEARER", token_file=tmp_path / "none")
    metrics = Metrics()
    metrics.lag_messages.labels("judge").set(4)
    health = Health(JUDGE, Settings(kafka=Kafka(security=security)), metrics, Dependencies({}, metrics), clock)
    health._progress.see({FIRST: GroupPosition(5, 9)})
    clock.now += 100
    assert health.stalled()
    health.look()
    assert health.stalled() == []
    assert "the lag of the consumer group is unknown: The token file" in caplog.text
    figures = generate_latest(metrics.registry).decode()
    assert 'voxwarden_lag_messages{stage="judge"} NaN' in figures
    assert 'voxwarden_committed_age_seconds{stage="judge"} NaN' in figures


def test_an_outage_of_the_broker_is_not_logged_at_each_look(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()

    def away() -> None:
        raise DependencyError("Kafka does not answer")

    dependencies = Dependencies({"kafka": away}, metrics)
    health = Health(DELIVER, Settings(), metrics, dependencies)
    health._lag.places = away  # type: ignore[method-assign, assignment]
    dependencies.ask("kafka")
    for _ in range(3):
        health.look()
    assert [each.getMessage() for each in caplog.records] == ["kafka is down: Kafka does not answer"]


def test_a_worker_is_not_restarted_because_its_database_is_down() -> None:
    clock, metrics = Clock(), Metrics()
    away = [True]

    def database() -> None:
        if away:
            raise DependencyError("The review store does not answer")

    dependencies = Dependencies({"database": database}, metrics)
    health = Health(DELIVER, Settings(), metrics, dependencies, clock)
    health._assign(frozenset({FIRST}))
    health._lag.places = lambda: {FIRST: GroupPosition(5, 9)}  # type: ignore[method-assign]
    health.look()
    dependencies.ask("database")
    for _ in range(100):
        clock.now += 10
        assert health.stalled() == []
        health.look()
    away.clear()
    dependencies.ask("database")
    clock.now += 40
    assert health.stalled() == [], "the stall counts from the return of the database"
    clock.now += 10
    assert health.stalled()


def test_a_slow_batch_is_no_stall_while_parts_of_it_are_finished() -> None:
    """A deliver without a core may need minutes for the clips of one batch. A stage that hangs finishes nothing."""
    clock, metrics = Clock(), Metrics()
    health = Health(DELIVER, Settings(), metrics, Dependencies({}, metrics), clock)
    health._progress.see({FIRST: GroupPosition(5, 9)})
    for _ in range(20):
        clock.now += 10
        health.worked()
        assert health.stalled() == []
    clock.now += 44
    assert health.stalled() == []
    clock.now += 1
    assert health.stalled() == ["deliver has waiting records and has finished nothing for 45 s"]
