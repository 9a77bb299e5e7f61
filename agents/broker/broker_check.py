"""Check that the broker answers.

One connection serves all checks, because a new one can cost a token and a handshake.
"""

from typing import Any

from kafka import KafkaAdminClient

from agents.broker.kafka_clients import broker_errors, client
from pipeline.settings import Kafka

ANSWER_SECONDS = 5.0


class BrokerAnswers:
    """A callable check for one thread. After an error, the next call opens a new connection."""

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka
        self._client: Any = None

    def __call__(self) -> None:
        """Ask the broker to describe its cluster.

        Raises DependencyError if the broker does not answer within `kafka.connect_seconds`, at most 5 s. Raises
        ConfigError if it rejects our credentials.
        """
        try:
            with broker_errors(self._kafka):
                if self._client is None:
                    patience = round(1000 * min(self._kafka.connect_seconds, ANSWER_SECONDS))
                    limits = {"bootstrap_timeout_ms": patience, "request_timeout_ms": patience}
                    self._client = client(KafkaAdminClient, self._kafka, **limits)
                self._client.describe_cluster()
        except BaseException:
            self._close()
            raise

    def _close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()
