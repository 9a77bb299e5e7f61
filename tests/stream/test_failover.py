"""On three brokers with two in-sync replicas, the death of the leader loses no acknowledged record."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

import pytest
from kafka.admin import KafkaAdminClient

from agents.broker import audio_log, kafka_topics
from agents.broker.audio_log import KafkaLog
from agents.broker.kafka_clients import admin, topic_name
from agents.broker.send_recordings import Ingest
from agents.loop.stage_loop import EXIT_UNFINISHED
from pipeline.base.errors import DependencyError
from pipeline.contract.messages import AudioChunk
from pipeline.contract.topology import AUDIO, FLAGS, JUDGE, TRANSCRIPTS, UTTERANCES, Topic
from pipeline.settings import Kafka, Settings
from tests.broker import Broker, Cluster
from tests.builders import transcript, utterance
from tests.stream.kafka_io import headers_of, put, wait_for, wait_for_members, wait_until
from tests.stream.processes import worker

pytestmark = pytest.mark.broker

CHUNKS = 400
AGAIN = "sends its results again"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture
def settings(cluster: Cluster, tmp_path: Path) -> Settings:
    kafka = Kafka(bootstrap=cluster.bootstrap, partitions=3, replication=3, connect_seconds=30)
    kafka_topics.create(kafka)
    return Settings(kafka=kafka, data_dir=tmp_path)


def chunk(sequence: int) -> AudioChunk:
    return AudioChunk(
        room=f"room-{sequence % 7}", speaker="a", start=float(sequence), sequence=sequence, data=bytes(2_000)
    )


def leader(cluster: Cluster, settings: Settings, topic: Topic = AUDIO, partition: int = 0) -> Broker:
    """Return the leader of a partition."""
    with admin(settings.kafka) as client:
        assert isinstance(client, KafkaAdminClient)
        (found,) = client.describe_topics([topic_name(topic, settings.kafka)])
    one = next(part for part in found["partitions"] if part["partition_index"] == partition)
    return cluster.nodes[int(one["leader_id"]) - 1]


@pytest.mark.timeout(180)
def test_evidence_is_read_again_after_the_brokers_are_back(
    cluster: Cluster, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of three brokers are down, with the leader of the audio. Deliver once stood still for minutes after that."""
    monkeypatch.setattr(audio_log, "ANSWER_SECONDS", 3.0)
    said = utterance("a", room="lobby")
    written = put(settings, UTTERANCES, [said, said])
    addresses = [f"{each.topic}/{each.partition}/{each.offset}" for each in written]
    log = KafkaLog(settings.kafka)
    assert log.get(addresses[0])
    first = leader(cluster, settings, UTTERANCES, written[0].partition)
    victims = [first, next(node for node in cluster.nodes if node is not first)]
    for node in victims:
        node.stop()
    with pytest.raises(DependencyError):
        log.get(addresses[1])
    for node in victims:
        node.launch()
    for node in victims:
        node.await_ready()
    found = None
    for _ in range(10):  # a new leader must be elected; deliver also retries
        with suppress(DependencyError):
            found = log.get(addresses[1])
            break
    assert found is not None
    log.close()


@pytest.mark.timeout(240)
@pytest.mark.parametrize("stopped", [False, True])
def test_a_worker_outlives_an_outage_of_its_brokers(
    stopped: bool, cluster: Cluster, settings: Settings, tmp_path: Path
) -> None:
    """The batch in hand is sent when they are back, by the same process, or by the next one after a SIGTERM."""
    room, nodes = f"room-{stopped}", cluster.nodes[1:]
    (tmp_path / "impatient").touch()
    with worker(settings, tmp_path / "log", "tests.stream.faulty") as process:
        wait_for_members(settings, JUDGE, 1)
        texts = ["hold", *["fine"] * 9]
        put(settings, TRANSCRIPTS, [transcript(text, 10 * stopped + n, room=room) for n, text in enumerate(texts)])
        wait_until((tmp_path / "holds").exists, process.running)
        for node in nodes:
            node.stop()
        (tmp_path / "goes on").touch()
        wait_until(lambda: AGAIN in process.log, process.running)
        if stopped:
            assert process.stop() == EXIT_UNFINISHED
        for node in nodes:
            node.launch()
        for node in nodes:
            node.await_ready()
        if stopped:
            process.start()
        wanted = {f"flag-{10 * stopped + n}" for n in range(10)}
        wait_for(
            settings, FLAGS, lambda found: wanted <= {headers_of(each)["ce_id"] for each in found}, process.running
        )
        assert "Traceback" not in process.log


@pytest.mark.timeout(180)
def test_no_acknowledged_chunk_is_lost_when_a_leader_dies(cluster: Cluster, settings: Settings) -> None:
    half, dead = Event(), Event()
    victim = leader(cluster, settings)

    def spoken() -> Iterator[AudioChunk]:
        """Yield chunks before, during and after the leader's death."""
        for number in range(CHUNKS):
            if number == CHUNKS // 2:
                half.set()
            if number == CHUNKS * 3 // 4:
                dead.wait(30)
            yield chunk(number)

    def send() -> None:
        with Ingest(settings.kafka) as out:
            sent.extend(chunk.sequence for chunk in out.send(spoken()))

    sent: list[int] = []
    sender = Thread(target=send)
    sender.start()
    assert half.wait(60)
    victim.stop()
    dead.set()
    sender.join(120)
    assert sent == list(range(CHUNKS)), "every chunk is acknowledged"
    records = wait_for(settings, AUDIO, lambda found: len(ids(found)) >= CHUNKS, lambda: None)
    assert len(ids(records)) == CHUNKS


def ids(records: list[object]) -> set[str]:
    return {headers_of(record)["ce_sequence"] for record in records}
