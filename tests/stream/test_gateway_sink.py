"""The gateway with a real broker stores accepted audio. A broker that is down slows clients, then turns them away."""

import asyncio
import json
import subprocess
import sys
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from agents.gateway import Close, Gateway, audio_receiver, kafka_sink
from agents.gateway.kafka_sink import KafkaSink, serve_gateway
from pipeline.base.metrics import Metrics
from pipeline.contract.cloud_events import decode_event
from pipeline.contract.messages import AudioChunk
from pipeline.contract.topology import AUDIO
from pipeline.settings import GatewaySettings, MetricsServer, Settings
from tests.agents.gateway.test_gateway_server import until
from tests.agents.test_integrate import run_client
from tests.broker import ROOT, Broker
from tests.stream.kafka_io import wait_for

BEARER = "the-right-token-of-the-tests"
GATEWAY = GatewaySettings(port=0, tokens=(SecretStr(BEARER),))
FRAME = bytes(3200)


@asynccontextmanager
async def client(port: int, speaker: str = "alice", query: str = "") -> AsyncIterator[ClientConnection]:
    url = f"ws://127.0.0.1:{port}/v1/rooms/lobby/speakers/{speaker}/audio?sample_rate=16000{query}"
    headers = {"Authorization": f"Bearer {BEARER}"}
    async with connect(url, additional_headers=headers, proxy=None) as connection:
        yield connection


def frames(count: int) -> list[bytes]:
    """Return frames of a tenth of a second, each different."""
    return [number.to_bytes(2, "little") * 1600 for number in range(count)]


def chunks_of(records: list[Any]) -> list[AudioChunk]:
    return [decode_event(AudioChunk, record.value, record.headers) for record in records]


def heard(settings: Settings, ends: int) -> dict[str, list[AudioChunk]]:
    """Return all chunks of `voice.audio`, by speaker, after `ends` sessions have ended."""
    records = wait_for(settings, AUDIO, lambda found: sum(c.final for c in chunks_of(found)) >= ends, lambda: None)
    assert len({record.key for record in records}) == 1
    said: dict[str, list[AudioChunk]] = {}
    for chunk in chunks_of(records):
        said.setdefault(chunk.speaker, []).append(chunk)
    return said


def audio(chunks: list[AudioChunk]) -> bytes:
    return b"".join(chunk.data for chunk in chunks)


def figure(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(f"voxwarden_gateway_{name}", labels) or 0.0


@pytest.mark.broker
async def test_accepted_audio_is_with_the_broker(settings: Settings) -> None:
    whole = settings.model_copy(update={"gateway": GATEWAY, "metrics": MetricsServer(port=0)})
    stop = asyncio.Event()
    ports: asyncio.Queue[int] = asyncio.Queue()
    serving = asyncio.create_task(serve_gateway(whole, lambda gateway, _: ports.put_nowait(gateway.port), stop))
    port = await ports.get()
    async with client(port) as alice, client(port, "bob") as bob:
        for frame in frames(20):
            await alice.send(frame)
            await bob.send(frame)
    stop.set()
    await serving
    found = heard(settings, 2)
    assert set(found) == {"alice", "bob"}
    for said in found.values():
        assert audio(said) == b"".join(frames(20))
        assert [chunk.sequence for chunk in said] == list(range(len(said)))
        assert [chunk.final for chunk in said] == [False] * (len(said) - 1) + [True]


@pytest.mark.broker
async def test_a_gateway_waits_for_a_broker_that_is_down(broker: Broker, mortal: Settings) -> None:
    whole = mortal.model_copy(update={"gateway": GATEWAY, "metrics": MetricsServer(port=0)})
    stop = asyncio.Event()
    ports: asyncio.Queue[int] = asyncio.Queue()
    broker.stop()
    serving = asyncio.create_task(serve_gateway(whole, lambda gateway, _: ports.put_nowait(gateway.port), stop))
    await asyncio.sleep(0.5)
    assert not serving.done()
    await asyncio.to_thread(broker.start)
    async with client(await ports.get()) as alice:
        await alice.send(FRAME)
    stop.set()
    await serving


@pytest.mark.broker
async def test_a_broker_that_restarts_only_slows_clients(
    broker: Broker, mortal: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = Metrics()
    monkeypatch.setattr(kafka_sink, "CONFIRM_SECONDS", 60.0)
    monkeypatch.setattr(audio_receiver, "BUFFER_SECONDS", 60.0)
    async with KafkaSink(mortal.kafka) as sink, Gateway(GATEWAY, metrics, sink) as gateway:
        async with client(gateway.port) as alice:
            await alice.send(FRAME)
            broker.stop()
            for frame in frames(50):
                await alice.send(frame)
            await asyncio.to_thread(broker.start)
        found = await asyncio.to_thread(heard, mortal, 1)
    assert audio(found["alice"]) == FRAME + b"".join(frames(50))
    assert figure(metrics, "lost_seconds_total") == 0


@pytest.mark.scenario
@pytest.mark.broker
async def test_a_broker_that_hangs_slows_clients_then_turns_them_away_and_lost_audio_is_counted(
    broker: Broker, mortal: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker accepts connections and does not answer.

    Buffered and later audio is counted; then everything works again.
    """
    metrics = Metrics()
    monkeypatch.setattr(kafka_sink, "CONFIRM_SECONDS", 1.0)
    monkeypatch.setattr(audio_receiver, "BUFFER_SECONDS", 0.5)
    hasty = GATEWAY.model_copy(update={"max_speed": 1e6})
    async with KafkaSink(mortal.kafka) as sink, Gateway(hasty, metrics, sink) as gateway:
        async with client(gateway.port, query="&session=of-the-tests") as alice:
            await alice.send(FRAME)
            assert json.loads(await alice.recv())["received_samples"] == 1_600
            with broker.frozen():
                for frame in frames(30):
                    await alice.send(frame)
                with pytest.raises(ConnectionClosed) as closed:
                    await alice.recv()
                async with client(gateway.port, "bob") as bob:
                    await bob.send(FRAME)
                    with pytest.raises(ConnectionClosed) as at_once:
                        await bob.recv()
        assert [each.value.rcvd and each.value.rcvd.code for each in (closed, at_once)] == [Close.TRY_LATER] * 2
        assert figure(metrics, "refused_total", reason="try_later") == 2
        assert figure(metrics, "lost_seconds_total") == pytest.approx(3.1)
        await taken_again(gateway.port)


async def taken_again(port: int) -> None:
    """Reconnect a client until its audio is accepted."""
    for _ in count():
        async with client(port, "carol", query="&session=of-the-tests") as carol:
            await carol.send(FRAME)
            with suppress(ConnectionClosed):
                assert json.loads(await carol.recv())["received_samples"] == 1_600
                return


@pytest.mark.broker
async def test_the_client_of_the_manual_loses_nothing_when_a_broker_hangs(
    broker: Broker, mortal: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = Metrics()
    monkeypatch.setattr(kafka_sink, "CONFIRM_SECONDS", 1.0)
    speech = recording_of(tmp_path / "speech.wav", seconds=4)
    async with KafkaSink(mortal.kafka) as sink, Gateway(GATEWAY, metrics, sink) as gateway:
        client = asyncio.create_task(run_client(gateway.port, tmp_path / "speech.wav", BEARER))
        await until(lambda: figure(metrics, "received_bytes_total") > 32_000)
        with broker.frozen():
            await until(lambda: figure(metrics, "refused_total", reason="try_later") >= 1)
        assert await client == (0, "")
        found = await asyncio.to_thread(heard, mortal, 1)
    said = next(iter(found.values()))
    spans = sorted((speech.index(chunk.data), len(chunk.data)) for chunk in said if chunk.data)
    reached = 0
    for begin, size in spans:
        assert begin <= reached, "a hole"
        reached = max(reached, begin + size)
    assert reached == len(speech)


def recording_of(path: Path, seconds: int) -> bytes:
    """Write noise, so that each piece of it occurs only once."""
    samples = np.random.default_rng(0).integers(-3_000, 3_000, 16_000 * seconds, dtype="<i2").tobytes()
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(16_000)
        wav.writeframes(samples)
    return samples


def test_a_missing_broker_is_one_clear_line_and_the_wait_can_be_stopped() -> None:
    """It runs in its own process, because the library leaves sockets open when it finds no broker."""
    sets = ["kafka.bootstrap=127.0.0.1:9", "kafka.connect_seconds=0.2", "metrics.port=0"]
    command = [sys.executable, "-m", "agents", *(part for each in sets for part in ("--set", each)), "gateway"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as waiting:
        assert waiting.stderr is not None
        assert "Kafka at 127.0.0.1:9 does not answer" in waiting.stderr.readline()
        waiting.terminate()
        assert waiting.stderr.read() == ""
    assert waiting.returncode == 0
