"""A real broker for all stream tests, and topics of its own for each one."""

import os
from collections.abc import Iterator
from uuid import uuid4

import pytest

from agents import topics
from pipeline.settings import Kafka, Settings
from tests.broker import Broker


@pytest.fixture(scope="session")
def bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`KAFKA_BOOTSTRAP` if set; else a broker that lives as long as the tests."""
    if address := os.environ.get("KAFKA_BOOTSTRAP"):
        yield address
        return
    with Broker(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker.bootstrap


@pytest.fixture(scope="session")
def _mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with Broker(tmp_path_factory.mktemp("mortal")) as broker:
        yield broker


@pytest.fixture
def broker(_mortal: Broker) -> Broker:
    """One that a test may stop and freeze; it runs when the test begins."""
    if not _mortal.running:
        _mortal.start()
    return _mortal


@pytest.fixture
def mortal(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings for that broker, with topics of one partition that nobody else uses."""
    kafka = Kafka(bootstrap=broker.bootstrap, prefix=f"{uuid4().hex[:8]}.", partitions=1, connect_seconds=20)
    topics.create(kafka)
    return Settings(kafka=kafka, data_dir=tmp_path_factory.mktemp("data"))


@pytest.fixture
def bare(bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings with topic names that nobody else uses; none of the topics exists yet."""
    kafka = Kafka(bootstrap=bootstrap, prefix=f"{uuid4().hex[:8]}.", partitions=2, connect_seconds=20)
    return Settings(kafka=kafka, data_dir=tmp_path_factory.mktemp("data"))


@pytest.fixture
def settings(bare: Settings) -> Settings:
    """The same, with the topics there."""
    topics.create(bare.kafka)
    return bare
