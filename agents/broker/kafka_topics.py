"""Compare the Kafka topics with the settings, and create missing ones.

Faust says "ready" and idles if a topic is missing. So a worker checks its topics before it starts. It also checks that
words and sounds of a speaker reach the same judge, if a label has `sources: both`.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kafka.admin import ConfigResource, ConfigResourceType

from agents.broker.kafka_clients import admin, max_bytes, topic_name
from pipeline.base.errors import ConfigError, VoxwardenError
from pipeline.contract.topology import DEAD_LETTERS, POLICIES, SOUNDS, TOPICS, TRANSCRIPTS, Stage, Topic
from pipeline.settings import Kafka

if TYPE_CHECKING:  # most processes that look at topics load no judge
    from pipeline.judge.judge_stage import JudgeConfig

HOUR_MS = 3_600_000

# Kafka deletes whole segments. A segment spans the retention divided by this number. So records live up to one segment
# longer than the retention.
SEGMENTS_PER_RETENTION = 12

SEGMENT_BYTES = 268_435_456  # a segment of this size is closed earlier

# The size of a segment of a compacted topic. Only closed segments are compacted.
SMALL_SEGMENT_BYTES = 16_777_216

ALL_TOPICS = (*TOPICS, POLICIES)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """One topic: the wanted settings, and the settings found on the broker (empty if the topic does not exist)."""

    name: str
    wanted: Mapping[str, Any]
    found: Mapping[str, Any]

    @property
    def missing(self) -> bool:
        return not self.found

    @property
    def differences(self) -> list[str]:
        """Each difference as `retention.ms is 1, wanted 2`. Empty for a topic that is missing or right."""
        return [
            f"{key} is {self.found[key]}, wanted {value}"
            for key, value in self.wanted.items()
            if not self.missing and self.found[key] != value
        ]

    def retention_problem(self, bootstrap: str) -> str:
        """Return why records outlive their retention, with the command that fixes it at `bootstrap`.

        Empty if they do not.
        """
        if "cleanup.policy" in self.wanted:  # a compacted topic keeps the newest record of each key for ever
            return ""
        retention, segment = self.found.get("retention.ms", -1), self.found.get("segment.ms", 0)
        if retention < 0 or segment <= max(self.wanted["segment.ms"], retention / SEGMENTS_PER_RETENTION):
            return ""
        changes = ",".join(f"{key}={self.wanted[key]}" for key in ("segment.ms", "segment.bytes"))
        return (
            f"Topic {self.name} keeps records up to {segment / HOUR_MS:g} h longer than its retention. Fix it with "
            f"kafka-configs.sh --bootstrap-server {bootstrap} --alter --entity-type topics --entity-name {self.name} "
            f"--add-config {changes}"
        )


def wanted(topic: Topic, kafka: Kafka) -> dict[str, Any]:
    if topic.compacted:
        return {
            "partitions": 1,
            "replication": kafka.replication,
            "retention.ms": -1,
            "segment.ms": HOUR_MS,  # only closed segments are compacted, and policies change rarely
            "segment.bytes": SMALL_SEGMENT_BYTES,
            "max.message.bytes": max_bytes(topic),
            "cleanup.policy": "compact",
        }
    retention = round(kafka.retention_seconds(topic) * 1000)
    return {
        "partitions": kafka.partitions,
        "replication": kafka.replication,
        "retention.ms": retention,
        "segment.ms": retention // SEGMENTS_PER_RETENTION,
        "segment.bytes": SEGMENT_BYTES,
        "max.message.bytes": max_bytes(topic),
    }


def plans(kafka: Kafka, topics: Sequence[Topic] = ALL_TOPICS) -> list[Plan]:
    """Compare `topics` with the topics on the broker. Raises DependencyError if it does not answer."""
    with admin(kafka) as client:
        found = _found(client, [topic_name(topic, kafka) for topic in topics])
    return [
        Plan(name, wanted(topic, kafka), found.get(name, {})) for topic in topics for name in [topic_name(topic, kafka)]
    ]


def create(kafka: Kafka) -> list[Plan]:
    """Create the missing topics and leave the others unchanged. Returns the plans as they were before."""
    before = plans(kafka)
    if missing := {plan.name: _options(plan.wanted) for plan in before if plan.missing}:
        with admin(kafka) as client:
            client.create_topics(missing, wait_for_metadata=True)
    return before


def require(kafka: Kafka, stage: Stage) -> None:
    """Check every topic that `stage` reads or writes.

    Raises ConfigError if a topic is missing, or if its `max.message.bytes` is smaller than our largest record.
    """
    policies = [POLICIES] if stage.follows or stage.stores else []
    early = [stage.early] if stage.early else []
    require_topics(kafka, [*stage.takes, *early, *stage.gives, DEAD_LETTERS, *policies])


def require_topics(kafka: Kafka, needed: Sequence[Topic]) -> list[Plan]:
    """Check the topics in `needed`, and return their plans.

    Raises ConfigError if a topic is missing, or if its `max.message.bytes` is smaller than our largest record.
    """
    found = plans(kafka, needed)
    for plan in found:
        if plan.missing:
            raise ConfigError(
                f"There is no topic {plan.name} at {kafka.bootstrap}", "Create it with `voxwarden topics create`."
            )
        limit, largest = plan.found["max.message.bytes"], plan.wanted["max.message.bytes"]
        if limit < largest:
            raise ConfigError(
                f"Topic {plan.name} takes records of at most {limit} bytes, but ours may have {largest}",
                "Raise the topic's max.message.bytes.",
            )
        if too_long := plan.retention_problem(kafka.bootstrap):
            log.warning("%s", too_long)  # no error: privacy suffers, but no speech is lost
    return found


def retention_seconds(topics: Sequence[Topic], kafka: Kafka) -> float:
    """Return the shortest retention of `topics` on the broker, in seconds. Raises ConfigError if one does not exist."""
    retentions = [plan.found["retention.ms"] for plan in require_topics(kafka, topics)]
    return min(each / 1000 if each >= 0 else math.inf for each in retentions)  # -1: Kafka keeps the records for ever


def _options(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "num_partitions": values["partitions"],
        "replication_factor": values["replication"],
        "configs": {key: str(value) for key, value in values.items() if "." in key},
    }


def _found(client: Any, names: list[str]) -> dict[str, dict[str, Any]]:
    described = [topic for topic in client.describe_topics(names) if not topic["error_code"]]
    if not described:
        return {}
    keys = ("retention.ms", "segment.ms", "segment.bytes", "max.message.bytes", "cleanup.policy")
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic["name"], dict.fromkeys(keys)) for topic in described]
    # "all", because the library otherwise leaves out the settings that have the broker's default.
    configs = client.describe_configs(resources, config_filter="all")["topic"]
    return {
        topic["name"]: {
            "partitions": len(topic["partitions"]),
            "replication": len(topic["partitions"][0]["replica_nodes"]),
            **{key: _setting(topic["name"], configs[topic["name"]], key) for key in keys},
        }
        for topic in described
    }


def _setting(name: str, settings: Mapping[str, Any], key: str) -> int | str:
    if key not in settings:  # the client leaves out, without an error, what the broker refuses to show
        raise ConfigError(
            f"Our Kafka account may not read the settings of topic {name}", "Allow DescribeConfigs for this account."
        )
    value: str = settings[key]["value"]
    return value if key == "cleanup.policy" else int(value)


def paired_labels(rules: "JudgeConfig") -> list[str]:
    """Return the labels that need words and second ear, by the policy or a shadow policy."""
    policies = [rules.policy, *(shadow.policy for shadow in rules.shadows)]
    return sorted({label for policy in policies for label in policy.need_both()})


def check_pairing(kafka: Kafka, rules: "JudgeConfig") -> str:
    """Return the labels and the number of partitions, as a text.

    Raises ConfigError if judges cannot pair words and sounds, and DependencyError if the broker does not answer.
    """
    labels = paired_labels(rules)
    if not labels:
        return "no label needs both"
    found = {plan.name: plan.found["partitions"] for plan in plans(kafka, [TRANSCRIPTS, SOUNDS]) if not plan.missing}
    # Partitions with the same number go to the same judge only if both topics have equally many.
    most = max(found.values(), default=0)
    if fewer := [name for name, partitions in found.items() if partitions < most]:
        counts = " and ".join(f"{name} has {partitions}" for name, partitions in found.items())
        raise ConfigError(
            f"{', '.join(labels)}: several judges cannot pair words and sounds, because of the partitions {counts}",
            f"Run kafka-topics.sh --bootstrap-server {kafka.bootstrap} --alter --topic {fewer[0]} --partitions {most}",
        )
    return f"{', '.join(labels)}: each of the two topics has {most} partitions"


def warn_unpaired(kafka: Kafka, rules: "JudgeConfig") -> None:
    """Log what `check_pairing` raises. The judge starts anyway: labels that need one source are flagged."""
    try:
        check_pairing(kafka, rules)
    except VoxwardenError as error:
        log.warning("%s", error)
