"""KEDA changes the number of workers by the lag of their group on a real Kafka. It takes five minutes."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from threading import Event, Thread

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.structs import OffsetAndMetadata

from agents.broker import kafka_topics
from agents.broker.kafka_clients import topic_name
from agents.loop.faust_app import group_of
from pipeline.contract.topology import JUDGE, TRANSCRIPTS
from pipeline.settings import Kafka, Settings
from tests.broker import Broker
from tests.builders import transcript
from tests.deploy.chart import SMALL, options
from tests.kubernetes.conftest import IN_S3, Namespace
from tests.stream.kafka_io import put

pytestmark = [pytest.mark.kubernetes, pytest.mark.broker, pytest.mark.timeout(900)]

RECORDS, LAG, MOST, PARTITIONS = 400, 50, 4, 4
STEP_SECONDS = 120
SECONDS_A_RECORD = 3
"""What the slow worker needs: less than the time between two of KEDA's questions, and too much for the records."""


class SlowWorker:
    """Commits the group's offsets as a worker does that is too slow, until it has caught up."""

    def __init__(self, settings: Settings) -> None:
        name = topic_name(TRANSCRIPTS, settings.kafka)
        self._partitions = [TopicPartition(name, number) for number in range(PARTITIONS)]
        self._group = KafkaConsumer(
            bootstrap_servers=settings.kafka.bootstrap, group_id=group_of(settings, JUDGE), enable_auto_commit=False
        )
        self._group.assign(self._partitions)
        self._ends = self._group.end_offsets(self._partitions)
        self._caught_up, self._over = Event(), Event()

    @contextmanager
    def working(self) -> Iterator[None]:
        thread = Thread(target=self._work)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()
            self._group.close()

    def catch_up(self) -> None:
        self._caught_up.set()

    def _work(self) -> None:
        for second in count(1):
            if self._over.wait(1):
                return
            done = max(self._ends.values()) if self._caught_up.is_set() else second // SECONDS_A_RECORD
            self._group.commit({each: OffsetAndMetadata(min(done, end), "", -1) for each, end in self._ends.items()})


def seen(namespace: Namespace, enough: Callable[[int], bool], seconds: float) -> list[tuple[float, int]]:
    """Each new number of judges with the seconds after the start, until `enough` accepts one."""
    start, found = time.monotonic(), [(0.0, namespace.replicas("judge"))]
    while not enough(found[-1][1]):
        assert time.monotonic() - start < seconds, found
        time.sleep(1)
        if (now := namespace.replicas("judge")) != found[-1][1]:
            found.append((round(time.monotonic() - start, 1), now))
    return found


def test_workers_follow_the_lag(namespace: Namespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Broker(tmp_path) as broker:
        kafka = Kafka(bootstrap=broker.bootstrap, prefix="scaled.", partitions=PARTITIONS)
        settings = Settings(kafka=kafka, data_dir=tmp_path)
        kafka_topics.create(kafka)
        scaling = IN_S3 | {
            "settings.kafka.bootstrap": broker.bootstrap,
            "settings.kafka.prefix": "scaled.",
            "settings.kafka.partitions": str(PARTITIONS),
            "keda.enabled": "true",
            "keda.pollingSeconds": "5",
            "keda.stableSeconds": str(STEP_SECONDS),
            "roles.judge.autoscaling.lag": str(LAG),
            "roles.judge.autoscaling.max": str(MOST),
            "roles.segment.autoscaling.max": str(MOST),
            "roles.transcribe.autoscaling.max": str(MOST),
        }
        namespace.install("install", *options([SMALL], scaling))
        assert namespace.replicas("judge") == 1
        put(settings, TRANSCRIPTS, [transcript("fine", number, room=f"room-{number}") for number in range(RECORDS)])
        worker = SlowWorker(settings)
        with worker.working():
            up = seen(namespace, lambda number: number == MOST, 3 * STEP_SECONDS)
            worker.catch_up()
            down = seen(namespace, lambda number: number < MOST, 4 * STEP_SECONDS)
        assert [number for _, number in up] == [1, 2, 4], "one doubling in each step"
        assert [number for _, number in down] == [4, 3], "one worker in each step"
        for role in ("segment", "transcribe"):
            assert namespace.replicas(role) == 1, "its topic is empty"
        namespace.install("upgrade", *options([SMALL], scaling))
        assert namespace.replicas("judge") == 3, "an upgrade keeps the number"
    with capsys.disabled():
        print(f"\nseconds and workers: up {up}, down {down}")  # noqa: T201 - what `make kubernetes` is run for
