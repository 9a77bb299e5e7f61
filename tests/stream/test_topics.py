"""Topics on a real broker: made once, compared, and insisted upon before a worker starts."""

from dataclasses import replace

import pytest

from agents import topics
from agents.worker import work
from pipeline.errors import ConfigError
from pipeline.settings import Settings
from pipeline.topology import DEAD_LETTERS, TOPICS

pytestmark = pytest.mark.broker


def with_kafka(settings: Settings, **changes: object) -> Settings:
    return settings.model_copy(update={"kafka": settings.kafka.model_copy(update=changes)})


def test_missing_topics_are_created_as_the_settings_want_them(bare: Settings) -> None:
    assert all(plan.missing for plan in topics.create(bare.kafka))
    after = topics.plans(bare.kafka)
    assert [plan.name for plan in after] == [bare.kafka.prefix + topic.name for topic in TOPICS]
    assert not any(plan.missing or plan.differences for plan in after)
    assert {plan.found["partitions"] for plan in after} == {bare.kafka.partitions}
    hours = {plan.found["retention.ms"] // 3_600_000 for plan in after}
    assert hours == {topic.retention_hours for topic in TOPICS}


def test_creating_again_changes_nothing(settings: Settings) -> None:
    before = topics.plans(settings.kafka)
    assert not any(plan.missing for plan in topics.create(settings.kafka))
    assert topics.plans(settings.kafka) == before


def test_a_topic_that_differs_is_told_and_left_alone(settings: Settings) -> None:
    wider = with_kafka(settings, partitions=6, max_message_bytes=2_000_000)
    plans = topics.create(wider.kafka)
    assert all("partitions is 2, wanted 6" in plan.differences for plan in plans)
    assert all(plan.found["partitions"] == 2 for plan in topics.plans(settings.kafka))


@pytest.mark.parametrize("role", ["segment", "transcribe", "judge", "deliver"])
def test_no_worker_starts_without_its_topics(bare: Settings, role: str) -> None:
    with pytest.raises(ConfigError, match=r"There is no topic .*voxwarden topics create"):
        work(role, bare)


def test_no_worker_starts_on_topics_too_small_for_its_records(settings: Settings) -> None:
    larger = with_kafka(settings, max_message_bytes=3_000_000)
    with pytest.raises(ConfigError, match=r"takes records of 1048588 bytes, and ours may have 3000000"):
        work("segment", larger)


def test_dead_letters_have_room_for_the_largest_record_and_why(settings: Settings) -> None:
    plan = next(plan for plan in topics.plans(settings.kafka) if plan.name.endswith(DEAD_LETTERS.name))
    assert plan.found["max.message.bytes"] == 2 * settings.kafka.max_message_bytes
    assert replace(plan, found={}).missing
