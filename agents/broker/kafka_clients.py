"""The clients of kafka-python with our settings: admin, producer and reader.

They do the work that Faust does not do.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError, SaslAuthenticationFailedError

from agents.broker.kafka_connections import connecting
from agents.broker.security import client_arguments
from pipeline.base import logs
from pipeline.base.errors import ConfigError, DependencyError
from pipeline.contract.topology import DEAD_LETTERS, Topic
from pipeline.settings import Kafka, Security

MAX_MESSAGE_BYTES = 1_048_588
"""Largest record batch: the default of brokers and topics. An utterance of 30 s fits, as FLAC of noise."""

ROOM_FOR_ERRORS = 2
"""The dead-letter topic takes records of this many times MAX_MESSAGE_BYTES: the largest record, and the reason."""

RECONNECT_MS = 1_000
"""The library's default of 30 s would keep a client silent long after its broker is back."""

ANSWER_SECONDS = 30.0
"""Limit for one request of a reader; the library's own default."""

DISCARD_SECONDS = 10
"""Time for the library's thread to end. It usually takes milliseconds."""


def topic_name(topic: Topic, kafka: Kafka) -> str:
    """Return the topic's name on the broker, with `kafka.prefix`."""
    return kafka.prefix + topic.name


def max_bytes(topic: Topic) -> int:
    """Return the size of the largest record batch that `topic` takes, in bytes."""
    return MAX_MESSAGE_BYTES * (ROOM_FOR_ERRORS if topic is DEAD_LETTERS else 1)


def common(kafka: Kafka) -> dict[str, Any]:
    logs.without_debug("kafka")
    return {
        "bootstrap_servers": kafka.bootstrap.split(","),
        "client_id": "voxwarden",
        "reconnect_backoff_max_ms": RECONNECT_MS,
        "bootstrap_timeout_ms": round(kafka.connect_seconds * 1000),
        **client_arguments(kafka.security),
    }


def client(kind: Callable[..., Any], kafka: Kafka, **more: Any) -> Any:
    """Make a client of the class `kind`. `more` changes our settings.

    If no broker answers, the library raises an error and forgets the client's thread and sockets. We end them.
    Otherwise an outage of 20 minutes would use up the files that a process may open.
    """
    made: list[Any] = []

    def inner(**given: Any) -> Any:
        made.append(connecting(**given))
        return made[-1]

    try:
        return kind(**(common(kafka) | more), kafka_client=inner)
    except BaseException:
        for each in made:
            each.close()
        raise


@contextmanager
def broker_errors(kafka: Kafka) -> Iterator[None]:
    """Turn errors of the client into ConfigError (credentials rejected) or DependencyError, which name the broker."""
    try:
        yield
    except SaslAuthenticationFailedError as error:
        raise ConfigError(
            f"Kafka at {kafka.bootstrap} rejects our name or password", f"Check {_proofs(kafka.security)}."
        ) from error
    except KafkaError as error:
        reason = str(error) or type(error).__name__
        raise DependencyError(
            f"Kafka at {kafka.bootstrap} does not answer correctly: {reason}",
            "Check that the broker runs, `kafka.bootstrap` and `kafka.security`.",
        ) from error


def _proofs(security: Security) -> str:
    """Return the settings that prove to the broker who we are."""
    names = ("token_file", "token_command") if security.mechanism == "OAUTHBEARER" else ("username", "password")
    return " and ".join(f"`kafka.security.{name}`" for name in names)


@contextmanager
def admin(kafka: Kafka) -> Iterator[Any]:
    """Give an admin client for the block. Raises DependencyError if the broker cannot be reached."""
    with broker_errors(kafka):
        made = client(KafkaAdminClient, kafka)
        try:
            yield made
        finally:
            made.close()


def producer(kafka: Kafka) -> Any:
    """Make a producer that waits for all in-sync replicas. Raises DependencyError if the broker cannot be reached."""
    with broker_errors(kafka):
        return client(
            KafkaProducer,
            kafka,
            acks="all",
            max_request_size=MAX_MESSAGE_BYTES,
            linger_ms=5,
            delivery_timeout_ms=60_000,
            allow_auto_create_topics=False,
        )


def discard(sender: Any) -> None:
    """Close a producer at once. Records without confirmation are given up, and their futures fail.

    The library's `close(0)` waits for them instead, raises an error, and leaves its thread running.
    """
    sender._sender.force_close()
    sender.close(DISCARD_SECONDS)


def reader(kafka: Kafka, answer_seconds: float = ANSWER_SECONDS) -> Any:
    """Make a consumer without a group, for reading at known offsets. `answer_seconds` limits each request."""
    with broker_errors(kafka):
        return client(
            KafkaConsumer,
            kafka,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            allow_auto_create_topics=False,
            max_partition_fetch_bytes=2 * max_bytes(DEAD_LETTERS),
            request_timeout_ms=round(answer_seconds * 1000),
        )
