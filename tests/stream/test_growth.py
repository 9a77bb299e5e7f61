"""Partitions are added while workers run. The workers soon read them."""

from pathlib import Path

import pytest

from agents.broker.kafka_clients import topic_name
from pipeline.contract.topology import FLAGS, TRANSCRIPTS
from pipeline.settings import Settings
from tests.builders import transcript
from tests.stream.kafka_io import grow, put, wait_for
from tests.stream.processes import worker

pytestmark = pytest.mark.broker

GROWN = 6


def test_a_running_worker_reads_added_partitions(settings: Settings, tmp_path: Path) -> None:
    with worker(settings, tmp_path / "log", "benchmarks.fast_worker", "judge") as judge:
        put(settings, TRANSCRIPTS, [transcript("hello", 0)])
        wait_for(settings, FLAGS, lambda found: len(found) == 1, judge.running)
        grow(settings, [topic_name(topic, settings.kafka) for topic in (TRANSCRIPTS, FLAGS)], GROWN)
        grown = settings.model_copy(update={"kafka": settings.kafka.model_copy(update={"partitions": GROWN})})
        rooms = [transcript("hello", number, room=f"room-{number}") for number in range(1, 25)]
        written = put(grown, TRANSCRIPTS, rooms)
        assert {place.partition for place in written} > {0, 1}
        wait_for(grown, FLAGS, lambda found: len(found) == 25, judge.running)
