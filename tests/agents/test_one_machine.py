"""The whole `voxwarden run`: audio over WebSocket, real Whisper and judge, a case with its clip, and a clean stop."""

import asyncio
import gc
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect

from agents.gateway import Gateway
from agents.one_machine import run_one_machine
from pipeline.connect.api.api_server import ServedApi
from pipeline.connect.client.verdict_stream import VerdictStream
from pipeline.console.console_app import Serving
from pipeline.contract.messages import SAMPLE_RATE, Flag
from pipeline.review.cases.case_values import Filters
from pipeline.review.review_store import open_store
from pipeline.settings import Asr, Settings
from pipeline.speech.asr import ctranslate2_engine
from pipeline.speech.asr.recogniser import Recogniser
from pipeline.speech.audio.encode import to_pcm16
from tests.ports import free_port
from tests.speech import threat


class Host:
    """Keeps the events of the run."""

    def __init__(self) -> None:
        self.ready = asyncio.Event()
        self.gateway: Gateway
        self.metrics_url = ""
        self.console: Serving | None = None
        self.api: ServedApi | None = None
        self.flags: list[Flag] = []

    def started(self, gateway: Gateway, metrics_url: str, console: Serving | None, api: ServedApi | None) -> None:
        self.gateway, self.metrics_url, self.console, self.api = gateway, metrics_url, console, api
        self.ready.set()

    def judged(self, flag: Flag) -> None:
        self.flags.append(flag)


def spoken() -> bytes:
    return to_pcm16(threat())


async def speak(gateway: Gateway) -> None:
    url = f"ws://127.0.0.1:{gateway.port}/v1/rooms/lounge/speakers/ben/audio?sample_rate={SAMPLE_RATE}"
    pcm = spoken()
    async with connect(url, additional_headers={"Authorization": f"Bearer {gateway.generated_token}"}) as socket:
        for at in range(0, len(pcm), 6_400):
            await socket.send(pcm[at : at + 6_400])


@pytest.mark.weights
async def test_a_threat_becomes_a_case_with_its_clip_before_the_process_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GATEWAY", "METRICS", "CONSOLE"):
        monkeypatch.setenv(f"VOXWARDEN_{name}__PORT", "0")
    settings = Settings(data_dir=tmp_path)
    host, stop = Host(), asyncio.Event()
    running = asyncio.create_task(run_one_machine(settings, host, stop))
    await asyncio.wait([running, asyncio.create_task(host.ready.wait())], return_when=asyncio.FIRST_COMPLETED)
    await speak(host.gateway)
    stop.set()  # at once, so that audio in hand must still be finished
    await running
    assert any("kill you" in flag.text for flag in host.flags)
    with closing(open_store(settings)) as store:
        (case,) = store.cases(Filters())
    assert (case.room, case.speaker, case.label) == ("lounge", "ben", "violence")
    assert list((tmp_path / "evidence").rglob("*.ogg"))


@pytest.mark.full
@pytest.mark.weights
async def test_the_api_of_a_run_shares_its_models_and_tells_of_verdicts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GATEWAY", "CONSOLE", "API"):
        monkeypatch.setenv(f"VOXWARDEN_{name}__PORT", "0")
    port = free_port()
    monkeypatch.setenv("VOXWARDEN_METRICS__PORT", str(port))
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    def ready() -> tuple[int, str]:
        answer = httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False)
        return answer.status_code, answer.text

    gc.collect()  # so that no test before keeps the model
    loaded: list[Asr] = []
    load = ctranslate2_engine.load_engine

    def counted(asr: Asr) -> Recogniser:
        assert ready() == (503, "it is still starting\n")
        loaded.append(asr)
        return load(asr)

    monkeypatch.setattr(ctranslate2_engine, "load_engine", counted)
    host, stop = Host(), asyncio.Event()
    running = asyncio.create_task(run_one_machine(Settings(data_dir=tmp_path), host, stop, with_api=True))
    await asyncio.wait([running, asyncio.create_task(host.ready.wait())], return_when=asyncio.FIRST_COMPLETED)
    assert host.api is not None
    assert host.api.token is not None
    assert len(loaded) == 1
    assert ready() == (200, "ok\n")
    async with VerdictStream(host.api.url, host.api.token, last_event_id="0") as stream:
        await speak(host.gateway)
        async for verdict in stream:
            assert "kill you" in verdict["text"]
            break
    async with httpx.AsyncClient(base_url=host.api.url, trust_env=False, timeout=60) as client:
        client.headers["authorization"] = f"Bearer {host.api.token}"
        answer = await client.post("/v1/moderations", json={"input": verdict["text"]})
        assert answer.json()["results"][0]["suggestion"] == verdict["suggestion"]
        assert (await client.get(f"/v1/cases/{verdict['case']}")).json()["room"] == "lounge"
    stop.set()
    await running
