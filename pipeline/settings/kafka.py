"""Settings of the broker, the topics and the consumer groups."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt

from pipeline.contract.topology import TOPICS, Topic
from pipeline.settings.section import Section, section_of
from pipeline.settings.security import Security

ADDRESS = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s,:\[\]/]+)(:\d{1,5})?")


def _addresses(text: str) -> str:
    """Check `HOST:PORT,HOST:PORT` here: the Kafka client reports a wrong address late and in its own words."""
    for address in text.split(","):
        if not ADDRESS.fullmatch(address):
            raise ValueError(f"{address!r} is not HOST:PORT")
    return text


RetentionHours = section_of(
    "RetentionHours",
    {
        topic.key: (PositiveFloat, Field(topic.retention_hours, description=f"hours that {topic.name} keeps a record"))
        for topic in TOPICS
    },
)


class Kafka(Section):
    """The Kafka broker, topics and consumer groups."""

    bootstrap: Annotated[str, AfterValidator(_addresses)] = Field(
        "127.0.0.1:9092", description="HOST:PORT of the brokers, separated by commas"
    )
    prefix: str = Field("", description="prefix of every topic name, e.g. `staging.`")
    partitions: PositiveInt = Field(12, description="partitions per topic, used when Voxwarden creates the topics")
    room_shards: int = Field(
        1, ge=1, le=1_000, description="shards of a room; with more than one, several workers can process one room"
    )
    replication: PositiveInt = Field(1, description="replicas per partition, used when Voxwarden creates the topics")
    max_message_bytes: PositiveInt = Field(
        1_048_588, description="maximum bytes of a record, for topics, producers and consumers"
    )
    connect_seconds: PositiveFloat = Field(
        15.0, description="seconds without an answer from the broker that count as an error"
    )
    instance: str | None = Field(
        None, description="fixed name of a worker in its consumer group (static membership), e.g. its pod's name"
    )
    dead_letter_share: float = Field(
        0.5, gt=0, le=1, description="share of bad messages over all senders above which a worker stops; 1: never"
    )
    stall_seconds: PositiveFloat = Field(
        45.0, description="seconds without a commit after which a worker with lag counts as unhealthy"
    )
    retention_hours: RetentionHours = RetentionHours()  # type: ignore[valid-type]
    security: Security = Security()

    def retention_seconds(self, topic: Topic) -> float:
        """How many seconds `topic` keeps a record."""
        hours: float = getattr(self.retention_hours, topic.key)
        return hours * 3600

    @property
    def longest_retention_seconds(self) -> float:
        """The longest retention of all topics, in seconds."""
        return max(map(self.retention_seconds, TOPICS))
