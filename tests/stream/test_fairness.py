"""The backlog of one room does not delay a room on another partition of the same worker."""

import json
from pathlib import Path

import pytest
from aiokafka.partitioner import DefaultPartitioner

from pipeline.contract.topology import FLAGS, TRANSCRIPTS
from pipeline.settings import Settings
from tests.builders import transcript
from tests.stream.kafka_io import put, wait_for
from tests.stream.noting import NOTES
from tests.stream.processes import worker

pytestmark = pytest.mark.broker

BACKLOG = 1_600
"""Fifty batches of judge. One answer of the broker holds all of them."""
SOON = 12
"""Batches that the worker has in hand, and that it processes until the broker's answer arrives."""


def rooms(settings: Settings) -> tuple[str, str]:
    """Return two rooms on different partitions."""
    numbers = list(range(settings.kafka.partitions))
    by_partition = {DefaultPartitioner()(f"room-{n}".encode(), numbers, numbers): f"room-{n}" for n in range(20)}
    return by_partition[0], by_partition[1]


def test_a_new_record_is_handled_within_the_next_batches(settings: Settings, tmp_path: Path) -> None:
    loud, quiet = rooms(settings)
    file = settings.data_dir / NOTES

    def batches() -> list[list[str]]:
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    put(settings, TRANSCRIPTS, [transcript("again and again", n, room=loud) for n in range(BACKLOG)])
    with worker(settings, tmp_path / "log", "tests.stream.noting") as process:
        while len(batches()) < 3:
            process.running()
        put(settings, TRANSCRIPTS, [transcript("now", 0, room=quiet)])
        before = len(batches())
        wait_for(settings, FLAGS, lambda found: any(one.key == quiet.encode() for one in found), process.running)
        handled = next(number for number, batch in enumerate(batches()) if quiet in batch)
        process.kill()
    assert handled - before <= SOON
    assert 32 * (before + 2 * SOON) < BACKLOG, "the loud room must still have a long backlog"
