"""The check of a real broker that answers, hangs, dies and comes back."""

import pytest

from agents.broker.kafka_clients import BrokerAnswers
from pipeline.base.errors import DependencyError
from pipeline.settings import Kafka
from tests.broker import Broker

pytestmark = pytest.mark.broker


def test_the_check_works_again_after_each_fault(broker: Broker) -> None:
    ask = BrokerAnswers(Kafka(bootstrap=broker.bootstrap, connect_seconds=3))
    ask()
    ask()
    with broker.frozen(), pytest.raises(DependencyError, match=broker.bootstrap):
        ask()
    ask()
    broker.stop()
    for _ in range(2):
        with pytest.raises(DependencyError, match=broker.bootstrap):
            ask()
    broker.start()
    ask()
    ask._close()
