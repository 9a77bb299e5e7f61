"""A real broker for all stream tests, with own topics for each test."""

import asyncio
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from agents.broker import kafka_topics, policy_topic
from pipeline.base.metrics import Metrics
from pipeline.contract.messages import Flag
from pipeline.contract.topology import JUDGE, LISTEN, SEGMENT, TRANSCRIBE, Stage
from pipeline.runner.local import LocalRunner
from pipeline.settings import Asr, Kafka, Settings
from tests.broker import Broker
from tests.stream.moderated import Moderated, audio, ban, events, moderate

ASR = Asr(model="tiny.en")
"""The cheapest model."""


def settings_of(bootstrap: str, data: Path, partitions: int = 2) -> Settings:
    kafka = Kafka(bootstrap=bootstrap, prefix=f"{uuid4().hex[:8]}.", partitions=partitions, connect_seconds=20)
    return Settings(kafka=kafka, data_dir=data, asr=ASR, listen=events(data))


@pytest.fixture(scope="session")
def bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of the broker: `KAFKA_BOOTSTRAP`, or a broker that runs as long as the tests."""
    if address := os.environ.get("KAFKA_BOOTSTRAP"):
        yield address
        return
    with Broker(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker.bootstrap


@pytest.fixture(autouse=True)
def _no_wait_for_deliver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let rules that a test follows itself wait for no deliver."""
    monkeypatch.setattr(policy_topic, "ANSWER_SECONDS", 0.0)


@pytest.fixture(scope="session")
def _mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with Broker(tmp_path_factory.mktemp("mortal")) as broker:
        yield broker


@pytest.fixture
def broker(_mortal: Broker) -> Broker:
    """Return a broker that a test may stop and freeze. It runs when the test begins."""
    if not _mortal.running:
        _mortal.start()
    return _mortal


@pytest.fixture
def mortal(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return settings for `broker`, with one partition a topic. Nobody else uses its topics."""
    made = settings_of(broker.bootstrap, tmp_path_factory.mktemp("data"), partitions=1)
    kafka_topics.create(made.kafka)
    return made


@pytest.fixture
def bare(bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return settings with topic names that nobody else uses. The topics do not exist yet."""
    return settings_of(bootstrap, tmp_path_factory.mktemp("data"))


@pytest.fixture
def settings(bare: Settings) -> Settings:
    """Return the settings of `bare`, with existing topics."""
    kafka_topics.create(bare.kafka)
    return bare


@pytest.fixture(scope="session")
def moderated_here(tmp_path_factory: pytest.TempPathFactory) -> list[Flag]:
    """Return the flags of the speech in `moderated.py`, from one process."""
    flags: list[Flag] = []

    def tap(stage: Stage, batch: Sequence[Any], outputs: Sequence[Any]) -> None:
        del batch
        if stage is JUDGE:
            flags.extend(outputs)

    async def listen(settings: Settings) -> None:
        ban(settings)
        stages = (SEGMENT, LISTEN, TRANSCRIBE, JUDGE)
        async with LocalRunner(settings, Metrics(), tap, stages=stages, clock=None) as runner:
            for chunk in audio():
                await runner.put(chunk)

    data = tmp_path_factory.mktemp("data")
    asyncio.run(listen(Settings(data_dir=data, asr=ASR, listen=events(data))))
    return flags


@pytest.fixture(scope="session")
def moderated(bootstrap: str, moderated_here: list[Flag], tmp_path_factory: pytest.TempPathFactory) -> Moderated:
    """Return the results of the same speech on Kafka."""
    settings = settings_of(bootstrap, tmp_path_factory.mktemp("data"))
    kafka_topics.create(settings.kafka)
    return moderate(settings, len(moderated_here), tmp_path_factory.mktemp("logs"))
