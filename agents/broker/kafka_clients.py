"""The clients of kafka-python with our settings: admin, producer, reader, and the check that a broker answers.

They do the work that Faust does not do. Their connections differ from the library's in two ways: a rejected name or
password is an error at once, and a socket is closed, also that of a refused or unfinished connection.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError, SaslAuthenticationFailedError
from kafka.net.compat import KafkaNetClient
from kafka.net.inet import KafkaNetSocket
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector

from agents.broker.kafka_security import client_arguments
from pipeline.base import logs
from pipeline.base.errors import ConfigError, DependencyError
from pipeline.contract.topology import DEAD_LETTERS, Topic
from pipeline.settings import Kafka, Security

ReceivedBytes = tuple[bytes, Exception | None]
"""What came from the broker, and why nothing more will come."""

# Largest record batch: the default of brokers and topics. An utterance of 30 s fits, as FLAC of noise.
MAX_MESSAGE_BYTES = 1_048_588
# The dead-letter topic takes records of this many times MAX_MESSAGE_BYTES: the largest record, and the reason.
ROOM_FOR_ERRORS = 2
RECONNECT_MS = 1_000  # the library's default of 30 s would keep a client silent long after its broker is back
ANSWER_SECONDS = 30.0  # limit for one request of a reader; the library's own default
# Time for the library's thread to end. It usually takes milliseconds.
DISCARD_SECONDS = 10
CHECK_SECONDS = 5.0  # limit for one check that the broker answers


class Direct(KafkaNetSocket):  # type: ignore[misc]
    """Connects without a proxy. The library makes one for a proxy with this scheme."""

    SCHEMES = ("direct",)

    async def sock_connect(self, net: Any, sock: Any, sockaddr: Any, timeout_at: float | None = None) -> Any:
        try:
            return await super().sock_connect(net, sock, sockaddr, timeout_at=timeout_at)
        except BaseException:  # also where the client is closed meanwhile, which ends this coroutine
            # The library leaves the socket to the garbage collector, which looks at old objects rarely. A long outage
            # could then use up the files that a process may open.
            sock.close()
            raise


class Connections(KafkaConnectionManager):  # type: ignore[misc]
    """Ends the search for a broker when one rejects our credentials, and knows what it has connected."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._transports: list[Any] = []

    def update_backoff(self, node_id: Any) -> Any:
        """Return how long to wait before the next attempt, in ms. Called while the error of an attempt is handled."""
        error = sys.exception()
        # The library takes a rejection for a fault that passes, tries again, and in the end reports only a time-out.
        # A broker that is still starting refuses the connection. That is another error, and is waited for.
        if isinstance(error, SaslAuthenticationFailedError) and not self.bootstrapped:
            raise error
        return super().update_backoff(node_id)

    async def _build_transport(self, node: Any, timeout_at: float | None = None) -> Any:
        made = await super()._build_transport(node, timeout_at=timeout_at)
        made._sock_recv = partial(last_words, made._sock_recv)
        self._transports = [each for each in self._transports if each._sock] + [made]
        return made

    def drop(self) -> None:
        """Close the sockets that still wait to send their last bytes. Their loop has ended, so they never would."""
        for sock in [each._sock for each in self._transports if each._sock]:
            sock.close()


class NetClient(KafkaNetClient):  # type: ignore[misc]
    """Leaves no socket open."""

    def close(self, node_id: Any = None) -> None:
        super().close(node_id)
        if node_id is None:
            self._manager.drop()


def last_words(receive: Callable[[], ReceivedBytes]) -> ReceivedBytes:
    """Return what came before the end of a connection. The next call returns the end.

    Brokers close the connection after a rejection. The library would then drop the rejection unread.
    """
    data, error = receive()
    return data, None if data else error


def connecting(**given: Any) -> NetClient:
    """Make what the library's clients send and receive with."""
    network = NetworkSelector(**given)
    return NetClient(network, Connections(network, **(given | {"proxy_url": "direct://"})))


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
    """Make a client of the class `kind`. `more` changes our settings."""
    made: list[Any] = []

    def inner(**given: Any) -> Any:
        made.append(connecting(**given))
        return made[-1]

    try:
        return kind(**(common(kafka) | more), kafka_client=inner)
    except BaseException:
        # If no broker answers, the library forgets the client's thread and sockets. An outage of 20 minutes would then
        # use up the files that a process may open.
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
            linger_ms=5,  # the records of these 5 ms share a request
            delivery_timeout_ms=60_000,
            allow_auto_create_topics=False,  # a topic of the broker's making would have another retention
        )


def discard(sender: Any) -> None:
    """Close a producer at once. Records without confirmation are given up, and their futures fail."""
    # The library's `close(0)` waits for these records instead, raises an error, and leaves its thread running.
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
            auto_offset_reset="earliest",  # if the wanted record has just expired, go on with the oldest one
            allow_auto_create_topics=False,
            max_partition_fetch_bytes=2 * max_bytes(DEAD_LETTERS),
            request_timeout_ms=round(answer_seconds * 1000),
        )


class BrokerAnswers:
    """A callable check for one thread. After an error, the next call opens a new connection."""

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka
        self._client: Any = None  # kept for all checks: a new connection can cost a token and a handshake

    def __call__(self) -> None:
        """Ask the broker to describe its cluster.

        Raises DependencyError if the broker does not answer within `kafka.connect_seconds`, at most 5 s. Raises
        ConfigError if it rejects our credentials.
        """
        try:
            with broker_errors(self._kafka):
                if self._client is None:
                    patience = round(1000 * min(self._kafka.connect_seconds, CHECK_SECONDS))
                    limits = {"bootstrap_timeout_ms": patience, "request_timeout_ms": patience}
                    self._client = client(KafkaAdminClient, self._kafka, **limits)
                self._client.describe_cluster()
        except BaseException:
            self._close()
            raise

    def _close(self) -> None:
        old, self._client = self._client, None
        if old is not None:
            old.close()
