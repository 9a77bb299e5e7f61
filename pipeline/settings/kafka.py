"""Settings of the broker, the topics and the consumer groups."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt, SecretStr

from pipeline.contract.topology import TOPICS, Topic
from pipeline.settings.section import Section, section_of


class Security(Section):
    """Security of the connection to the broker, for both client libraries. Keep secrets in the environment."""

    protocol: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = Field(
        "plaintext", description="ssl: TLS; sasl_plaintext: SASL without TLS; sasl_ssl: SASL over TLS"
    )
    mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN", "OAUTHBEARER"] = Field(
        "SCRAM-SHA-512", description="SASL mechanism"
    )
    username: str | None = Field(None, description="SASL user name")
    password: SecretStr | None = Field(None, description="SASL password")
    ca_file: Path | None = Field(
        None, description="PEM file of certificate authorities; unset: the authorities of the operating system"
    )
    cert_file: Path | None = Field(None, description="PEM file of the client's own certificate, for mutual TLS")
    key_file: Path | None = Field(None, description="PEM file of the client's key; unset: the key is in cert_file")
    token_file: Path | None = Field(
        None, description="file of the OAUTHBEARER token; it is read again at each connection"
    )
    token_command: tuple[str, ...] = Field(
        (), description="command that prints the OAUTHBEARER token; it runs at each connection"
    )

    @property
    def tls(self) -> bool:
        """Whether the connection uses TLS."""
        return self.protocol in {"ssl", "sasl_ssl"}

    @property
    def sasl(self) -> bool:
        """Whether the client authenticates with SASL."""
        return self.protocol in {"sasl_plaintext", "sasl_ssl"}


ADDRESS = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s,:\[\]/]+)(:\d{1,5})?")


def _addresses(text: str) -> str:
    """Check `HOST:PORT,HOST:PORT` here: the Kafka client reports a wrong address late and in its own words."""
    for address in text.split(","):
        if not ADDRESS.fullmatch(address):
            raise ValueError(f"{address!r} is not HOST:PORT")
    return text


def _kept(key: str) -> str:
    return " and ".join(topic.name for topic in TOPICS if topic.key == key)


RetentionHours = section_of(
    "RetentionHours",
    {
        topic.key: (
            PositiveFloat,
            Field(topic.retention_hours, description=f"hours that a record is kept in {_kept(topic.key)}"),
        )
        for topic in TOPICS
        if topic.kept_with is None
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
    connect_seconds: PositiveFloat = Field(
        15.0, description="seconds without an answer from the broker that count as an error"
    )
    instance: str | None = Field(
        None, description="fixed name of a worker in its consumer group (static membership), e.g. its pod's name"
    )
    dead_letter_share: float = Field(
        0.5, gt=0, le=1, description="share of bad messages over all senders above which a worker stops; 1: never"
    )
    retention_hours: RetentionHours = RetentionHours()  # type: ignore[valid-type]
    security: Security = Security()

    def retention_seconds(self, topic: Topic) -> float:
        """How many seconds `topic` keeps a record."""
        hours: float = getattr(self.retention_hours, topic.key, topic.retention_hours)
        return hours * 3600

    @property
    def longest_retention_seconds(self) -> float:
        """The longest retention of all topics, in seconds."""
        return max(map(self.retention_seconds, TOPICS))
