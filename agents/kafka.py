"""kafka-python's three clients with our settings, for what Faust does not do: topics, ingest, reading audio back."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError, SaslAuthenticationFailedError

from agents.refusals import refusals
from agents.security import client_arguments
from pipeline import logs
from pipeline.errors import ConfigError, DependencyError
from pipeline.settings import Kafka
from pipeline.topology import DEAD_LETTERS, Topic

ROOM_FOR_ERRORS = 2
"""The dead-letter topic takes records of twice the size: the largest one of any stage, and why it is there."""

RECONNECT_MS = 1_000
"""The library's own 30 s keep a client silent for long after its broker is back."""

ANSWER_SECONDS = 30.0
"""For one request of a reader; as the library has it."""

DISCARD_SECONDS = 10
"""For the library's thread to end; it takes milliseconds."""


def topic_name(topic: Topic, kafka: Kafka) -> str:
    """As the broker knows it."""
    return kafka.prefix + topic.name


def max_bytes(topic: Topic, kafka: Kafka) -> int:
    """The largest record batch, in bytes, that `topic` takes."""
    return kafka.max_message_bytes * (ROOM_FOR_ERRORS if topic is DEAD_LETTERS else 1)


def common(kafka: Kafka) -> dict[str, Any]:
    logs.without_debug("kafka")
    return {
        "bootstrap_servers": kafka.bootstrap.split(","),
        "client_id": "voxwarden",
        "reconnect_backoff_max_ms": RECONNECT_MS,
        "bootstrap_timeout_ms": round(kafka.connect_seconds * 1000),
        **client_arguments(kafka.security),
    }


@contextmanager
def broker_errors(kafka: Kafka) -> Iterator[None]:
    """Turn the client's errors into one that names the broker."""
    with refusals() as refused:
        try:
            yield
        except KafkaError as error:
            if refused.seen or isinstance(error, SaslAuthenticationFailedError):
                raise ConfigError(
                    f"Kafka at {kafka.bootstrap} refuses our name or password", "Check `kafka.security`."
                ) from error
            reason = str(error) or type(error).__name__
            raise DependencyError(
                f"Kafka at {kafka.bootstrap} does not answer as it should: {reason}",
                "Check that the broker runs, `kafka.bootstrap` and `kafka.security`.",
            ) from error


@contextmanager
def admin(kafka: Kafka) -> Iterator[Any]:
    """An admin client; raises DependencyError if the broker cannot be reached."""
    with broker_errors(kafka):
        client = KafkaAdminClient(**common(kafka))
        try:
            yield client
        finally:
            client.close()


def producer(kafka: Kafka) -> Any:
    """A producer that waits for all in-sync replicas; raises DependencyError if the broker cannot be reached."""
    with broker_errors(kafka):
        return KafkaProducer(
            **common(kafka),
            acks="all",
            max_request_size=kafka.max_message_bytes,
            linger_ms=5,
            delivery_timeout_ms=60_000,
            allow_auto_create_topics=False,
        )


def discard(client: Any) -> None:
    """Close a producer at once: what the broker has not confirmed is given up, and whoever waits for it is told.

    The library's own `close(0)` waits for that instead, raises, and leaves its thread running.
    """
    client._sender.force_close()
    client.close(DISCARD_SECONDS)


def reader(kafka: Kafka, answer_seconds: float = ANSWER_SECONDS) -> Any:
    """A consumer outside any group, for reading at known offsets; `answer_seconds` is its limit for a request."""
    with broker_errors(kafka):
        return KafkaConsumer(
            **common(kafka),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            allow_auto_create_topics=False,
            max_partition_fetch_bytes=2 * max_bytes(DEAD_LETTERS, kafka),
            request_timeout_ms=round(answer_seconds * 1000),
        )
