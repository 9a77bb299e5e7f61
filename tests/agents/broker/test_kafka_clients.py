"""Errors of the library become one line that names the broker, and credentials are told from a broker that is down."""

import gc
import logging
import os
import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack, closing, nullcontext
from pathlib import Path

import pytest
from kafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError, SaslAuthenticationFailedError

from agents.broker.kafka_clients import (
    MAX_MESSAGE_BYTES,
    BrokerAnswers,
    Connections,
    admin,
    broker_errors,
    common,
    connecting,
    last_words,
    max_bytes,
    producer,
    reader,
    topic_name,
)
from agents.loop.lag import Lag
from pipeline.base.errors import ConfigError, DependencyError
from pipeline.contract.topology import AUDIO, DEAD_LETTERS, JUDGE
from pipeline.settings import Kafka, Security, Settings
from tests.ports import free_port

KAFKA = Kafka(bootstrap="one:9092,two:9092", prefix="test.", connect_seconds=1.5)


def test_an_error_without_a_text_is_named_by_its_kind() -> None:
    said = r"Kafka at one:9092,two:9092 does not answer correctly: .*Timeout"
    with pytest.raises(DependencyError, match=said), broker_errors(KAFKA):
        raise KafkaTimeoutError


def test_rejected_credentials_are_an_error_of_the_settings() -> None:
    tokens = Security(protocol="sasl_ssl", mechanism="OAUTHBEARER")
    for kafka, named in (
        (KAFKA, r"`kafka\.security\.username` and `kafka\.security\.password`"),
        (KAFKA.model_copy(update={"security": tokens}), r"`kafka\.security\.token_file`"),
    ):
        with pytest.raises(ConfigError, match=f"rejects our name or password. Check {named}"), broker_errors(kafka):
            raise SaslAuthenticationFailedError("wrong")


@pytest.mark.parametrize(
    ("error", "bootstrapped", "ends"),
    [
        (SaslAuthenticationFailedError("wrong"), False, True),
        (SaslAuthenticationFailedError("wrong"), True, False),
        (KafkaConnectionError("down"), False, False),
    ],
)
def test_only_a_rejection_ends_the_search_for_a_broker(
    monkeypatch: pytest.MonkeyPatch, error: Exception, bootstrapped: bool, ends: bool
) -> None:
    client = connecting(bootstrap_servers=["127.0.0.1:9"])
    monkeypatch.setattr(Connections, "bootstrapped", bootstrapped)
    with closing(client), pytest.raises(type(error)) if ends else nullcontext():
        try:
            raise error
        except KafkaError:
            assert client._manager.update_backoff("bootstrap-0") > 0


def test_an_answer_counts_also_if_the_broker_closes_the_connection_right_after_it() -> None:
    end = KafkaConnectionError("socket disconnected")
    received = iter([(b"rejected", end), (b"", end), (b"more", None)])
    assert [last_words(received.__next__) for _ in range(3)] == [(b"rejected", None), (b"", end), (b"more", None)]


def test_a_client_that_is_closed_while_it_connects_closes_its_socket() -> None:
    """An open socket is a warning, so an error."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, ExitStack() as stack:
        for _ in range(2):  # they fill the queue of connections that wait, so that the next one gets no answer
            first = stack.enter_context(socket.socket())
            first.setblocking(False)
            first.connect_ex(full.getsockname())
        with closing(connecting(bootstrap_servers=[address(full)])) as client:
            client.maybe_connect("bootstrap-0")
            client.poll(timeout_ms=10)


def test_a_client_that_is_closed_while_it_sends_closes_its_socket() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as deaf,
        closing(connecting(bootstrap_servers=[address(deaf)])) as client,
    ):
        (broker,) = client._manager.cluster.bootstrap_brokers()
        transport = client._net.run(client._manager._build_transport, broker)
        transport.write(bytes(1 << 24))
        transport.close()
        sending = transport._sock
        assert sending.fileno() >= 0
    assert sending.fileno() == -1


def address(server: socket.socket) -> str:
    host, port = server.getsockname()
    return f"{host}:{port}"


def test_other_errors_pass() -> None:
    with pytest.raises(ValueError, match="ours"), broker_errors(KAFKA):
        raise ValueError("ours")


def test_settings_reach_the_client() -> None:
    arguments = common(KAFKA)
    assert arguments["bootstrap_servers"] == ["one:9092", "two:9092"]
    assert arguments["bootstrap_timeout_ms"] == 1_500
    assert topic_name(AUDIO, KAFKA) == f"test.{AUDIO.name}"


def test_a_dead_letter_has_room_for_the_largest_record_and_its_reason() -> None:
    assert max_bytes(AUDIO) == MAX_MESSAGE_BYTES
    assert max_bytes(DEAD_LETTERS) > MAX_MESSAGE_BYTES


@pytest.mark.parametrize(
    "ask",
    [
        lambda kafka: admin(kafka).__enter__(),
        producer,
        reader,
        lambda kafka: Lag(JUDGE, Settings(kafka=kafka)).places(),
        lambda kafka: BrokerAnswers(kafka)(),
    ],
    ids=["admin", "producer", "reader", "lag", "answers"],
)
def test_a_client_that_finds_no_broker_leaves_no_thread_and_no_open_file(
    ask: Callable[[Kafka], object], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "kafka")  # a log record refers to an error, and that to a socket
    away = Kafka(bootstrap=f"127.0.0.1:{free_port()}", connect_seconds=0.1)

    def fail() -> tuple[int, int]:
        with pytest.raises(DependencyError):
            ask(away)
        return threading.active_count(), len(list(Path(f"/proc/{os.getpid()}/fd").iterdir()))

    fail()  # loads modules, which leave garbage
    gc.collect()
    gc.disable()  # an outage would fill the table of files before the collector looks at old objects
    try:
        assert fail() == fail()
    finally:
        gc.enable()
