"""Write records to topics, and wait for records, in the stream tests."""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from kafka import TopicPartition
from kafka.errors import KafkaError

from agents.broker.kafka_clients import admin, producer, reader, topic_name
from agents.loop.faust_app import group_of
from pipeline.contract.cloud_events import Event, encode_event
from pipeline.contract.messages import Message
from pipeline.contract.topology import Stage, Topic
from pipeline.settings import Settings

PATIENCE_SECONDS = 120
"""A busy machine needs much of it."""


def put(settings: Settings, topic: Topic, records: Iterable[Message | Event]) -> list[Any]:
    """Write messages or raw records. Returns the broker's metadata of each record."""
    client = producer(settings.kafka)
    shards = settings.kafka.room_shards
    events = [encode_event(record, "test", shards) if isinstance(record, Message) else record for record in records]
    name = topic_name(topic, settings.kafka)
    sent = [client.send(name, key=event.key, value=event.value, headers=event.headers) for event in events]
    written = [future.get(PATIENCE_SECONDS) for future in sent]
    client.close()
    return written


def wait_for(settings: Settings, topic: Topic, enough: Callable[[list[Any]], bool], alive: Callable[[], None]) -> Any:
    """Return all records of `topic` when `enough` accepts them. `alive` is called in between and may fail."""
    consumer = reader(settings.kafka)
    name = topic_name(topic, settings.kafka)
    partitions = [TopicPartition(name, number) for number in range(settings.kafka.partitions)]
    consumer.assign(partitions)
    consumer.seek_to_beginning()
    records: list[Any] = []
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not enough(records):
        alive()
        if time.monotonic() > deadline:
            raise AssertionError(f"{len(records)} records in {name}, and no more for {PATIENCE_SECONDS} s")
        if fresh := [record for found in consumer.poll(200).values() for record in found]:
            records += fresh
            deadline = time.monotonic() + PATIENCE_SECONDS
    consumer.close()
    return records


def wait_until(done: Callable[[], bool], alive: Callable[[], None], patience: float = PATIENCE_SECONDS) -> None:
    """Wait until `done` is true. Each call may open a connection. `alive` is called in between and may fail."""
    deadline = time.monotonic() + patience
    while not done():
        alive()
        assert time.monotonic() < deadline, f"not done after {patience} s"
        time.sleep(0.25)


def grow(settings: Settings, names: Sequence[str], partitions: int) -> None:
    """Add partitions to topics, and wait: the broker answers before it knows of the new partitions itself."""

    def known() -> bool:
        return all(len(topic["partitions"]) == partitions for topic in client.describe_topics(names))

    with admin(settings.kafka) as client:
        client.create_partitions(dict.fromkeys(names, partitions))
        wait_until(known, lambda: None)


def headers_of(record: Any) -> dict[str, str]:
    return {name: value.decode() for name, value in record.headers}


def committed(settings: Settings, stage: Stage) -> dict[int, int]:
    """Return the group's committed offset on each partition."""
    group = group_of(settings, stage)
    with admin(settings.kafka) as client:
        for _ in range(50):
            try:
                offsets = client.list_group_offsets([group])[group]
            except KafkaError:  # a new broker has no coordinator for the group yet
                time.sleep(0.2)
                continue
            return {place.partition: found.offset for place, found in offsets.items() if found.offset >= 0}
    raise AssertionError(f"No offsets of {group}")


def wait_for_members(settings: Settings, stage: Stage, count: int) -> None:
    """Wait until the group of a stage has `count` members and is stable."""
    group = group_of(settings, stage)
    with admin(settings.kafka) as client:
        while True:
            with suppress(KafkaError):  # a new broker has no coordinator for the group yet
                found = client.describe_groups([group])[group]
                if len(found["members"]) == count and found["group_state"] in {"Stable", "Empty"}:
                    return
            time.sleep(0.2)


def texts(records: Sequence[Any]) -> list[str]:
    return [record.value.decode() for record in records]
