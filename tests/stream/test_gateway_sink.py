"""The gateway before a real broker: what is taken is there; one that is away slows clients, then turns them away."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from agents import topics
from agents.gateway import Close, Gateway
from agents.gateway.sink import KafkaSink, check, serve
from pipeline.cli.app import Exit
from pipeline.errors import ConfigError
from pipeline.events import decode
from pipeline.messages import AudioChunk
from pipeline.metrics import Metrics
from pipeline.settings import Gateway as GatewaySettings
from pipeline.settings import Kafka, MetricsServer, Settings
from pipeline.topology import AUDIO
from tests.broker import ROOT, Broker
from tests.stream.kafka_io import wait_for

BEARER = "right-token"
GATEWAY = GatewaySettings(port=0, tokens=(SecretStr(BEARER),))
FRAME = bytes(3200)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """One of our own, to be stopped."""
    with Broker(tmp_path) as running:
        yield running


@asynccontextmanager
async def client(port: int, speaker: str = "alice") -> AsyncIterator[ClientConnection]:
    url = f"ws://127.0.0.1:{port}/v1/rooms/lobby/speakers/{speaker}/audio?sample_rate=16000"
    headers = {"Authorization": f"Bearer {BEARER}"}
    async with connect(url, additional_headers=headers, proxy=None) as connection:
        yield connection


def frames(count: int) -> list[bytes]:
    """A tenth of a second each, each different."""
    return [number.to_bytes(2, "little") * 1600 for number in range(count)]


def heard(settings: Settings, count: int) -> list[AudioChunk]:
    """All of `voice.audio` once `count` chunks are there."""
    records = wait_for(settings, AUDIO, lambda found: len(found) >= count, lambda: None)
    assert {record.key for record in records} == {b"lobby"}
    return [decode(AudioChunk, record.value, record.headers) for record in records]


@pytest.mark.broker
async def test_what_is_taken_is_with_the_broker(settings: Settings) -> None:
    whole = settings.model_copy(update={"gateway": GATEWAY, "metrics": MetricsServer(port=0)})
    stop = asyncio.Event()
    ports: asyncio.Queue[int] = asyncio.Queue()
    serving = asyncio.create_task(serve(whole, lambda gateway, _: ports.put_nowait(gateway.port), stop))
    port = await ports.get()
    async with client(port) as alice, client(port, "bob") as bob:
        for frame in frames(20):
            await alice.send(frame)
            await bob.send(frame)
    stop.set()
    await serving
    chunks = heard(settings, 42)
    for speaker in ("alice", "bob"):
        said = [chunk for chunk in chunks if chunk.speaker == speaker]
        assert [chunk.data for chunk in said] == [*frames(20), b""]
        assert [chunk.sequence for chunk in said] == list(range(21))
        assert [chunk.final for chunk in said] == [False] * 20 + [True]


@pytest.mark.broker
async def test_a_broker_that_restarts_only_slows_clients(broker: Broker) -> None:
    settings = Settings(kafka=Kafka(bootstrap=broker.bootstrap, partitions=1))
    topics.create(settings.kafka)
    metrics = Metrics()
    async with KafkaSink(settings.kafka) as sink, Gateway(GATEWAY, metrics, sink) as gateway:
        async with client(gateway.port) as alice:
            await alice.send(FRAME)
            await asyncio.to_thread(heard, settings, 1)
            broker.stop()
            for frame in frames(50):
                await alice.send(frame)
            await asyncio.to_thread(broker.start)
        chunks = await asyncio.to_thread(heard, settings, 52)
    assert [chunk.data for chunk in chunks] == [FRAME, *frames(50), b""]


@pytest.mark.broker
async def test_a_broker_that_stays_away_turns_clients_away(broker: Broker) -> None:
    kafka = Kafka(bootstrap=broker.bootstrap, partitions=1)
    topics.create(kafka)
    metrics = Metrics()
    async with KafkaSink(kafka, confirm_seconds=0.5) as sink, Gateway(GATEWAY, metrics, sink) as gateway:
        broker.stop()
        async with client(gateway.port) as alice:
            await alice.send(FRAME)
            with pytest.raises(ConnectionClosed) as closed:
                await alice.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == Close.TRY_LATER
    assert metrics.registry.get_sample_value("voxwarden_gateway_refused_total", {"reason": "try_later"}) == 1


def test_no_broker_is_one_clear_line() -> None:
    """In a process of its own, as the library leaves sockets behind when it finds nobody."""
    kafka = ["--set", "kafka.bootstrap=127.0.0.1:9", "--set", "kafka.connect_seconds=0.2"]
    command = [sys.executable, "-m", "agents", *kafka, "gateway"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == Exit.FAILED
    assert done.stderr.count("\n") == 1
    assert "Kafka at 127.0.0.1:9 does not answer" in done.stderr


def test_a_frame_has_to_fit_into_a_record() -> None:
    check(Settings())
    with pytest.raises(ConfigError, match=r"gateway\.max_frame_bytes: a frame of 900000 bytes"):
        check(Settings(gateway=GatewaySettings(max_frame_bytes=900_000), kafka=Kafka(max_message_bytes=900_000)))


def received(metrics: Metrics) -> float:
    return metrics.registry.get_sample_value("voxwarden_gateway_received_bytes_total") or 0.0
