"""Topics on a real broker are created once, compared, and checked before a worker starts."""

import time
from dataclasses import replace

import pytest
from kafka import TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType

from agents.broker import kafka_clients, kafka_topics
from agents.broker.kafka_clients import admin, reader, topic_name
from agents.loop.worker_process import run_worker
from pipeline.base.errors import ConfigError
from pipeline.contract.topology import AUDIO, DEAD_LETTERS, POLICIES, TOPICS, Topic
from pipeline.settings import Kafka, Settings
from tests.builders import transcript
from tests.stream.kafka_io import PATIENCE_SECONDS, put

pytestmark = pytest.mark.broker


def with_kafka(settings: Settings, **changes: object) -> Settings:
    return settings.model_copy(update={"kafka": settings.kafka.model_copy(update=changes)})


@pytest.mark.scenario
def test_missing_topics_are_created_with_the_settings(bare: Settings) -> None:
    assert all(plan.missing for plan in kafka_topics.create(bare.kafka))
    after = kafka_topics.plans(bare.kafka)
    assert [plan.name for plan in after] == [bare.kafka.prefix + topic.name for topic in (*TOPICS, POLICIES)]
    assert not any(plan.missing or plan.differences for plan in after)
    *speech, policies = after
    assert {plan.found["partitions"] for plan in speech} == {bare.kafka.partitions}
    hours = {plan.found["retention.ms"] / 3_600_000 for plan in speech}
    assert hours == {topic.retention_hours for topic in TOPICS}
    assert (policies.found["partitions"], policies.found["cleanup.policy"]) == (1, "compact")


def test_a_second_create_changes_nothing(settings: Settings) -> None:
    before = kafka_topics.plans(settings.kafka)
    assert not any(plan.missing for plan in kafka_topics.create(settings.kafka))
    assert kafka_topics.plans(settings.kafka) == before


def test_a_topic_that_differs_is_reported_and_not_changed(settings: Settings) -> None:
    wider = with_kafka(settings, partitions=6)
    *plans, _ = kafka_topics.create(wider.kafka)
    assert all("partitions is 2, wanted 6" in plan.differences for plan in plans)
    assert all(plan.found["partitions"] == 2 for plan in kafka_topics.plans(settings.kafka, TOPICS))


@pytest.mark.parametrize("role", ["segment", "listen", "transcribe", "judge", "deliver"])
def test_no_worker_starts_without_its_topics(bare: Settings, role: str) -> None:
    with pytest.raises(ConfigError, match=r"There is no topic .*voxwarden topics create"):
        run_worker(role, bare)


def test_no_worker_starts_on_topics_that_are_too_small_for_its_records(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_clients, "MAX_MESSAGE_BYTES", 3_000_000)
    with pytest.raises(ConfigError, match=r"takes records of at most 1048588 bytes, but ours may have 3000000"):
        run_worker("segment", settings)


def test_the_dead_letter_topic_takes_the_largest_record_with_its_reason(settings: Settings) -> None:
    plan = next(plan for plan in kafka_topics.plans(settings.kafka) if plan.name.endswith(DEAD_LETTERS.name))
    assert plan.found["max.message.bytes"] == 2 * kafka_clients.MAX_MESSAGE_BYTES
    assert replace(plan, found={}).missing


def first_offset(settings: Settings, topic: Topic) -> int:
    """Return the oldest offset that the broker keeps on the room's partition."""
    consumer = reader(settings.kafka)
    name = topic_name(topic, settings.kafka)
    found = consumer.beginning_offsets([TopicPartition(name, n) for n in range(settings.kafka.partitions)])
    consumer.close()
    return int(max(found.values()))


def test_old_records_are_deleted_while_new_ones_arrive(bare: Settings) -> None:
    """The retention is two seconds. Kafka never deletes a segment that still takes records."""
    kept = Kafka.model_validate({"retention_hours": {"audio": 2 / 3_600}}).retention_hours
    bare = with_kafka(bare, retention_hours=kept)
    kafka_topics.create(bare.kafka)
    deadline = time.monotonic() + PATIENCE_SECONDS
    sent = 0
    while not (gone := first_offset(bare, AUDIO)):
        [written] = put(bare, AUDIO, [transcript("anything", sent)])
        sent += 1
        assert time.monotonic() < deadline, f"the first of {sent} records is still there"
        time.sleep(0.1)
    assert 0 < gone <= written.offset, "the newest record is kept"


def alter(settings: Settings, topic: Topic, changes: dict[str, int]) -> kafka_topics.Plan:
    """Change a topic and return its plan. The broker reports a change a moment after it has accepted it."""
    values = {key: str(value) for key, value in changes.items()}
    with admin(settings.kafka) as client:
        client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic_name(topic, settings.kafka), values)])
    while True:
        [plan] = kafka_topics.plans(settings.kafka, [topic])
        if changes.items() <= plan.found.items():
            return plan


def test_a_topic_with_segments_longer_than_its_retention_is_reported(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    plan = alter(settings, AUDIO, {"segment.ms": 7 * 24 * kafka_topics.HOUR_MS})
    assert "segment.ms is 604800000, wanted 600000" in plan.differences
    kafka_topics.require_topics(settings.kafka, [AUDIO])
    [warning] = caplog.messages
    assert "keeps records up to 168 h longer than its retention" in warning
    assert warning.endswith(f"--entity-name {plan.name} --add-config segment.ms=600000,segment.bytes=268435456")


def test_a_raised_retention_causes_no_warning(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    alter(settings, AUDIO, {"retention.ms": 48 * kafka_topics.HOUR_MS, "segment.ms": 4 * kafka_topics.HOUR_MS})
    kafka_topics.require_topics(settings.kafka, [AUDIO])
    assert caplog.messages == []
