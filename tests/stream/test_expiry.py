"""Records expire on a real broker before a group reads them: the worker reports it and continues with the rest."""

from pathlib import Path

import pytest
from kafka import TopicPartition
from kafka.structs import OffsetAndMetadata

from agents.broker.kafka_clients import admin, topic_name
from agents.loop.faust_app import group_of
from pipeline.contract.topology import FLAGS, JUDGE, TRANSCRIPTS
from pipeline.settings import Settings
from tests.builders import transcript
from tests.ports import free_port
from tests.stream.kafka_io import committed, put, wait_for
from tests.stream.processes import worker
from tests.stream.test_workers import ask, with_port

pytestmark = pytest.mark.broker

WRITTEN = 10


@pytest.fixture
def place(settings: Settings) -> TopicPartition:
    """Write records of one room and return their partition."""
    first, *_ = put(settings, TRANSCRIPTS, [transcript("fine", number) for number in range(WRITTEN)])
    return TopicPartition(topic_name(TRANSCRIPTS, settings.kafka), first.partition)


def commit(settings: Settings, place: TopicPartition, offset: int) -> None:
    """Commit `offset`, as if the group had processed the records before it."""
    committed(settings, JUDGE)  # returns when the group has its coordinator
    with admin(settings.kafka) as client:
        client.alter_group_offsets(group_of(settings, JUDGE), {place: OffsetAndMetadata(offset, "", -1)})


def test_expired_records_are_counted_and_logged(
    settings: Settings, place: TopicPartition, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setattr("tests.stream.processes.environment", with_port(port))
    commit(settings, place, 2)
    with admin(settings.kafka) as client:
        client.delete_records({place: 6})
    with worker(settings, tmp_path / "log", "tests.stream.stalled") as process:
        flags = wait_for(settings, FLAGS, lambda found: len(found) >= 4, process.running)
        figures = ask(port, "/metrics")[1]
        assert process.stop() == 0
    assert len(flags) == 4
    assert 'voxwarden_expired_records_total{stage="judge"} 4.0' in figures
    assert "judge missed 4 records" in process.log
    assert committed(settings, JUDGE) == {place.partition: WRITTEN}


def test_a_group_beyond_the_end_starts_again(settings: Settings, place: TopicPartition, tmp_path: Path) -> None:
    """This happens after the topic was deleted and created.

    Faust would commit nothing until the topic was as long as before.
    """
    commit(settings, place, 50)
    with worker(settings, tmp_path / "log", "tests.stream.stalled") as process:
        wait_for(settings, FLAGS, lambda found: len(found) >= WRITTEN, process.running)
        assert process.stop() == 0
    assert f"{place.topic}/{place.partition} has no offset 50; reading starts at 0" in process.log
    assert committed(settings, JUDGE) == {place.partition: WRITTEN}
