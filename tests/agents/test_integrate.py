"""docs/integrate.md is true: its client works as printed, and its close codes and limits are the gateway's."""

import asyncio
import base64
import hmac
import os
import re
import subprocess
import sys
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from subprocess import PIPE
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest
from pydantic import SecretStr

from agents.gateway import Close
from agents.one_machine import run_one_machine
from pipeline.base.errors import DependencyError
from pipeline.connect.vendors.room_audio import RoomAudio
from pipeline.contract.cloud_events import decode_event
from pipeline.contract.messages import AudioChunk
from pipeline.settings import Asr, FlagEvents, GatewaySettings, JudgeSettings, Settings, WebhookSettings, keys
from pipeline.speech.audio.chunk_order import ReceivedSamples
from tests.agents.gateway.test_gateway_server import running, until
from tests.agents.test_one_machine import Host, speak
from tests.ports import free_port

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
ROOT = Path(__file__).parents[2]
MANUAL = (ROOT / "docs" / "integrate.md").read_text(encoding="utf-8")


def block(language: str, holds: str) -> str:
    """Return the block of code in `language` that holds a text."""
    [found] = [code for code in re.findall(rf"```{language}\n(.*?)```", MANUAL, re.DOTALL) if holds in code]
    return str(found)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Write a quarter of a second of stereo, which is not a whole number of the client's frames."""
    path = tmp_path / "speech.wav"
    samples = np.random.default_rng(0).integers(-3_000, 3_000, (4_000, 2), dtype="<i2")
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(2)
        wav.setsampwidth(2)
        wav.setframerate(16_000)
        wav.writeframes(samples.tobytes())
    return path


def samples_of(recording: Path) -> bytes:
    with wave.open(str(recording)) as wav:
        return bytes(wav.readframes(wav.getnframes()))


async def run_client(port: int, recording: Path, token: str) -> tuple[int | None, str]:
    script = recording.with_name("client.py")
    script.write_text(block("python", "Speaker"), encoding="utf-8")
    client = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", str(script), str(recording), "聊天室/1", "ü",
        env=os.environ | {"GATEWAY": f"ws://127.0.0.1:{port}", "TOKEN": token, "no_proxy": "127.0.0.1"},
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, errors = await client.communicate()
    return client.returncode, errors.decode()


async def test_the_client_of_the_manual_sends_a_recording(recording: Path) -> None:
    async with running(tokens=("an-ascii-token-of-the-tests",)) as place:
        assert await run_client(place.gateway.port, recording, "an-ascii-token-of-the-tests") == (0, "")
        await until(lambda: bool(place.sink.chunks) and place.sink.chunks[-1].final)
        chunks = place.sink.chunks
    assert b"".join(chunk.data for chunk in chunks) == samples_of(recording)
    assert {(c.room, c.speaker, c.sample_rate, c.channels) for c in chunks} == {("聊天室/1", "ü", 16_000, 2)}
    assert chunks[-1].start - chunks[0].start == pytest.approx(0.25, abs=1e-6)


async def test_the_client_prints_the_reason_of_a_refusal(recording: Path) -> None:
    async with running() as place:
        status, errors = await run_client(place.gateway.port, recording, "wrong")
        assert status == 1
        assert "4401" in errors
        assert "Traceback" not in errors
        assert place.sink.chunks == []


async def test_the_client_sends_unacknowledged_audio_again(recording: Path) -> None:
    """The pipeline refuses audio in the middle. The next connection begins with the first unacknowledged sample."""
    async with running(tokens=("an-ascii-token-of-the-tests",)) as place:
        client = asyncio.create_task(run_client(place.gateway.port, recording, "an-ascii-token-of-the-tests"))
        await until(lambda: len(place.sink.chunks) == 1)
        place.sink.fault = DependencyError("Kafka does not answer")
        await until(lambda: place.refused("try_later") == 1)
        place.sink.fault = None
        assert await client == (0, "")
        await until(lambda: place.sink.chunks[-1].final)
        chunks = place.sink.chunks
        assert place.figure("lost_seconds_total") > 0
    again = next(chunk for chunk in chunks[1:] if chunk.sequence == 0)
    assert again.start - chunks[0].start == pytest.approx(again.first_sample / 16_000, abs=2e-3), (
        "the times are those of the speech"
    )
    assert {chunk.session for chunk in chunks} == {again.session}
    received = ReceivedSamples()
    fresh = [chunk for each in chunks if (chunk := received.fresh(each))]
    assert b"".join(chunk.data for chunk in fresh) == samples_of(recording)


@contextmanager
def receiving_app(folder: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    """Run the receiver of the manual."""
    script = folder / "receiver.py"
    script.write_text(block("python", "do_POST"), encoding="utf-8")
    environment = os.environ | {"PORT": str(port), "SECRET": SECRET}
    with subprocess.Popen(
        [sys.executable, "-W", "error", str(script)], env=environment, text=True, stdout=PIPE, stderr=PIPE
    ) as app:
        try:
            yield app
        finally:
            app.terminate()


def muting(folder: Path, port: int) -> Settings:
    """The settings with which the manual starts Voxwarden, and a policy that blocks threats."""
    flags = FlagEvents(suggestions=("block",))
    chosen = WebhookSettings(url=f"http://127.0.0.1:{port}", secret=SecretStr(SECRET), flags=flags)
    return Settings(data_dir=folder, webhooks=chosen, judge=JudgeSettings(policy="strict"), asr=Asr(model="tiny.en"))


@pytest.mark.weights
async def test_the_receiver_of_the_manual_mutes_a_speaker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Speech enters the gateway of `voxwarden run`, and the app mutes the speaker."""
    for name in ("GATEWAY", "METRICS", "CONSOLE"):
        monkeypatch.setenv(f"VOXWARDEN_{name}__PORT", "0")
    port = free_port()
    host, stop = Host(), asyncio.Event()
    with receiving_app(tmp_path, port) as app:
        assert app.stdout is not None
        running = asyncio.create_task(run_one_machine(muting(tmp_path, port), host, stop))
        await asyncio.wait([running, asyncio.create_task(host.ready.wait())], return_when=asyncio.FIRST_COMPLETED)
        await speak(host.gateway)
        assert await asyncio.to_thread(app.stdout.readline) == "mute ben in lounge ['violence']\n"
        stop.set()
        await running


async def test_the_receiver_of_the_manual_refuses_a_wrong_signature(tmp_path: Path) -> None:
    port = free_port()
    body = b'{"type": "flag.raised", "data": {"suggestion": "block", "room": "lobby", "speaker": "eve"}}'
    headers = {"webhook-id": "e", "webhook-timestamp": f"{time.time():.0f}", "webhook-signature": "v1,c2hvcnQ="}
    with receiving_app(tmp_path, port) as app, httpx.Client(trust_env=False) as client:
        answer = await asyncio.to_thread(posted, client, f"http://127.0.0.1:{port}", body, headers)
        app.terminate()
        assert (answer, app.communicate()[0]) == (401, "")


def posted(client: httpx.Client, url: str, body: bytes, headers: dict[str, str]) -> int:
    """Send a request as soon as the app listens, and return the status of the answer."""
    for _ in count():
        with suppress(httpx.ConnectError):
            return client.post(url, content=body, headers=headers).status_code
        time.sleep(0.05)
    raise AssertionError


def test_the_documented_settings_of_webhooks_exist_with_these_defaults() -> None:
    """A group of settings may have one row."""
    shown = dict(re.findall(r"^\| `webhooks\.([\w.]+)` \| ([^|]+) \|", MANUAL, re.MULTILINE))
    known = [name.removeprefix("webhooks.") for name in keys() if name.startswith("webhooks.")]
    assert [name for name in known if not any(f"{name}.".startswith(f"{row}.") for row in shown)] == []
    numbers = {name: float(value) for name, value in shown.items() if value.isdigit()}
    assert numbers == {name: getattr(WebhookSettings(), name) for name in numbers}


def test_every_close_code_is_documented() -> None:
    explained = {int(code) for row in re.findall(r"^\| ([\d, ]+) \|", MANUAL, re.MULTILINE) for code in row.split(",")}
    assert {int(code) for code in Close} <= explained
    assert explained - {int(code) for code in Close} == {1000, 1001, 1007, 1011}


def test_every_reason_in_the_metrics_is_documented() -> None:
    named = set(re.findall(r"`([a-z_]+)`", MANUAL[MANUAL.index("refused_total{reason}") :].split(")")[0]))
    assert named - {"voxwarden_gateway_refused_total"} == {code.name.lower() for code in Close} - {"restart"}


def test_the_documented_limits_are_the_defaults() -> None:
    shown = dict(re.findall(r"^\| `gateway\.(\w+)` \| ([\d.]+) \|", MANUAL, re.MULTILINE))
    assert set(GatewaySettings.model_fields) - set(shown) == {
        "host",
        "port",
        "tokens",
        "egress_tokens",
        "closed_room_types",
    }
    assert {name: float(value) for name, value in shown.items()} == {
        name: getattr(GatewaySettings(), name) for name in shown
    }


def test_the_documented_kafka_headers_make_a_chunk() -> None:
    headers = [line.split(": ", 1) for line in block("headers", "ce_room").splitlines()]
    chunk = decode_event(AudioChunk, b"\0", [(name, value.encode()) for name, value in headers])
    assert (chunk.room, chunk.speaker, chunk.codec, chunk.sequence) == ("lobby", "alice", "opus", 0)


class AgoraConnection:
    """What the example uses of the SDK's connection: it keeps its observer, and is its own local user."""

    def __init__(self) -> None:
        self.form: tuple[int, int] | None = None
        self.observer: Any = None

    def get_local_user(self) -> "AgoraConnection":
        return self

    def set_playback_audio_frame_before_mixing_parameters(self, channels: int, rate: int) -> None:
        assert self.observer is None, "the SDK wants the form first"
        self.form = channels, rate

    def register_audio_frame_observer(self, observer: Any, vad: int, vad_configure: Any) -> None:
        del vad, vad_configure
        self.observer = observer


class ObserverBase:
    """The SDK's interface, whose methods do nothing."""

    def on_playback_audio_frame_before_mixing(self, *given: Any) -> int:
        raise AssertionError("the SDK's own method comes after ours")


async def test_the_agora_bot_of_the_manual_is_heard_and_follows_notices(monkeypatch: pytest.MonkeyPatch) -> None:
    notice = b'{"noticeId":"n","productId":1,"eventType":104,"payload":{"channelName":"lounge","uid":7}}'
    signature = hmac.digest(b"the secret", notice, "sha256").hex()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("AGORA_SECRET", "the secret")
    code: dict[str, Any] = {}
    exec(block("python", "AgoraAudio"), code)  # noqa: S102
    exec(block("python", "AgoraNotices"), code)  # noqa: S102
    token, connection = "an-ascii-token-of-the-tests", AgoraConnection()
    async with running(tokens=(token,)) as place, RoomAudio(f"ws://127.0.0.1:{place.gateway.port}", token) as audio:
        code["listen"](connection, ObserverBase, audio)
        frame = SimpleNamespace(buffer=bytearray(b"ab" * 160), samples_per_sec=16_000, channels=1, bytes_per_sample=2)
        connection.observer.on_playback_audio_frame_before_mixing(None, "lounge", "7", frame, -1, None)
        await until(lambda: bool(place.sink.chunks))
        assert code["notified"](audio, notice, {"Agora-Signature-V2": signature}) is None
        await until(lambda: place.sink.chunks[-1].final)
        joined = notice.replace(b"104", b"103").replace(b'"n"', b'"m"')
        signature = hmac.digest(b"the secret", joined, "sha256").hex()
        assert code["notified"](audio, joined, {"Agora-Signature-V2": signature}) == "lounge"
    assert connection.form == (1, 16_000)
    assert [(chunk.room, chunk.speaker, chunk.data) for chunk in place.sink.chunks] == [
        ("lounge", "7", b"ab" * 160),
        ("lounge", "7", b""),
    ]
