"""The topics as they should be, as they are, and what differs.

Faust says "ready" and idles when a topic is missing, so a worker checks before it starts.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kafka.admin import ConfigResource, ConfigResourceType

from agents.kafka import admin, max_bytes, topic_name
from pipeline.errors import ConfigError
from pipeline.settings import Kafka
from pipeline.topology import DEAD_LETTERS, TOPICS, Stage, Topic

HOUR_MS = 3_600_000

SEGMENTS_KEPT = 12
"""Kafka deletes whole segments: each of them holds at most this part of the retention, and is kept so much longer."""

SEGMENT_BYTES = 268_435_456
"""A segment that is full ends earlier."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """One topic: what it should be, and what the broker has (empty: no such topic)."""

    name: str
    wanted: Mapping[str, int]
    found: Mapping[str, int]

    @property
    def missing(self) -> bool:
        return not self.found

    @property
    def differences(self) -> list[str]:
        """Each as `retention.ms is 1, wanted 2`; none for a topic that is missing or right."""
        return [
            f"{key} is {self.found[key]}, wanted {value}"
            for key, value in self.wanted.items()
            if not self.missing and self.found[key] != value
        ]

    def kept_too_long(self, bootstrap: str) -> str:
        """Why records outlive their retention, and the command that mends it at `bootstrap`; empty if they do not."""
        retention, segment = self.found.get("retention.ms", -1), self.found.get("segment.ms", 0)
        if retention < 0 or segment <= max(self.wanted["segment.ms"], retention / SEGMENTS_KEPT):
            return ""
        changes = ",".join(f"{key}={self.wanted[key]}" for key in ("segment.ms", "segment.bytes"))
        return (
            f"Topic {self.name} keeps records up to {segment / HOUR_MS:g} h longer than its retention. Mend it with "
            f"kafka-configs.sh --bootstrap-server {bootstrap} --alter --entity-type topics --entity-name {self.name} "
            f"--add-config {changes}"
        )


def wanted(topic: Topic, kafka: Kafka) -> dict[str, int]:
    retention = round(kafka.retention_seconds(topic) * 1000)
    return {
        "partitions": kafka.partitions,
        "replication": kafka.replication,
        "retention.ms": retention,
        "segment.ms": retention // SEGMENTS_KEPT,
        "segment.bytes": max(SEGMENT_BYTES, max_bytes(topic, kafka)),
        "max.message.bytes": max_bytes(topic, kafka),
    }


def plans(kafka: Kafka, topics: Sequence[Topic] = TOPICS) -> list[Plan]:
    """Compare `topics` with the broker's; raises DependencyError if it does not answer."""
    with admin(kafka) as client:
        found = _found(client, [topic_name(topic, kafka) for topic in topics])
    return [
        Plan(name, wanted(topic, kafka), found.get(name, {})) for topic in topics for name in [topic_name(topic, kafka)]
    ]


def create(kafka: Kafka) -> list[Plan]:
    """Create what is missing and leave alone what is there. Gives the plans as they were before."""
    before = plans(kafka)
    if missing := {plan.name: _options(plan.wanted) for plan in before if plan.missing}:
        with admin(kafka) as client:
            client.create_topics(missing, wait_for_metadata=True)
    return before


def require(kafka: Kafka, stage: Stage) -> None:
    """Raise ConfigError unless every topic that `stage` reads or writes is there and takes our largest record."""
    require_topics(kafka, [*stage.takes, *stage.gives, DEAD_LETTERS])


def require_topics(kafka: Kafka, needed: Sequence[Topic]) -> None:
    """The same for `needed`. A topic that keeps records too long is only told of: that is no reason to hear nobody."""
    for plan in plans(kafka, needed):
        if plan.missing:
            raise ConfigError(
                f"There is no topic {plan.name} at {kafka.bootstrap}", "Create it with `voxwarden topics create`."
            )
        limit, largest = plan.found["max.message.bytes"], plan.wanted["max.message.bytes"]
        if limit < largest:
            raise ConfigError(
                f"Topic {plan.name} takes records of {limit} bytes, and ours may have {largest}",
                "Raise the topic's max.message.bytes, or lower kafka.max_message_bytes.",
            )
        if too_long := plan.kept_too_long(kafka.bootstrap):
            log.warning("%s", too_long)


def retention_seconds(topics: Sequence[Topic], kafka: Kafka) -> float:
    """How long the broker keeps the records of `topics`, which must exist: the shortest of their retentions."""
    require_topics(kafka, topics)
    kept = [plan.found["retention.ms"] for plan in plans(kafka, topics)]
    return min(each / 1000 if each >= 0 else math.inf for each in kept)


def _options(values: Mapping[str, int]) -> dict[str, Any]:
    return {
        "num_partitions": values["partitions"],
        "replication_factor": values["replication"],
        "configs": {key: str(value) for key, value in values.items() if "." in key},
    }


def _found(client: Any, names: list[str]) -> dict[str, dict[str, int]]:
    described = [topic for topic in client.describe_topics(names) if not topic["error_code"]]
    if not described:
        return {}
    keys = ("retention.ms", "segment.ms", "segment.bytes", "max.message.bytes")
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic["name"], dict.fromkeys(keys)) for topic in described]
    configs = client.describe_configs(resources, config_filter="all")["topic"]
    return {
        topic["name"]: {
            "partitions": len(topic["partitions"]),
            "replication": len(topic["partitions"][0]["replica_nodes"]),
            **{key: _setting(topic["name"], configs[topic["name"]], key) for key in keys},
        }
        for topic in described
    }


def _setting(name: str, settings: Mapping[str, Any], key: str) -> int:
    """The client gives none, and no error, where the broker refuses to tell."""
    if key not in settings:
        raise ConfigError(f"Our Kafka account may not read the settings of topic {name}", "Allow it DescribeConfigs.")
    return int(settings[key]["value"])
