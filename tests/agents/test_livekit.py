"""docs/livekit.md is true: a new operator comes from nothing to the first flag of a LiveKit room with it."""

import asyncio
import os
import re
import sys
import wave
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from aiohttp import web
from livekit import api
from websockets.asyncio.client import connect

from agents.one_machine import run_one_machine
from pipeline.connect.livekit.livekit_process import Listening, serve_livekit
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.review.cases.case_values import Filters
from pipeline.review.review_store import open_store
from pipeline.settings import Asr, GatewaySettings, LiveKitSettings, Settings
from tests.agents.gateway.test_gateway_server import running as gateway
from tests.agents.test_one_machine import Host, spoken
from tests.broker import ROOT
from tests.livekit import KEY, SECRET, LiveKit, configuration, until
from tests.ports import free_port

pytestmark = pytest.mark.full  # Go builds the LiveKit server for minutes

MANUAL = (ROOT / "docs" / "livekit.md").read_text("utf-8")
TOKEN = "a-token-of-the-tests-only"  # noqa: S105
PATIENCE_SECONDS = 120


def block(language: str, number: int = 0) -> str:
    return str(re.findall(rf"```{language}\n(.*?)```", MANUAL, re.DOTALL)[number])


def test_the_server_of_the_guide_is_that_of_the_tests() -> None:
    [(key, secret)] = yaml.safe_load(block("yaml"))["keys"].items()
    assert yaml.safe_load(block("yaml")) == configuration(7880, 7881, 50_100, 7999, key, secret)
    LiveKitSettings(api_key=key, api_secret=secret)


def test_the_rules_of_the_guide_can_be_read() -> None:
    given = LiveKitSettings(**yaml.safe_load(block("yaml", 1))["livekit"])
    assert [rule.action for rule in given.rules] == ["remove", "mute", "warn", "mute"]


def recording(folder: Path) -> Path:
    """A threat, as a WAV file."""
    path = folder / "speech.wav"
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(SAMPLE_RATE)
        wav.writeframes(spoken())
    return path


async def example(number: int, folder: Path, variables: dict[str, str], *given: str) -> tuple[int | None, str]:
    """Run a Python example of the guide. Return its exit code and its errors."""
    script = folder / "example.py"
    script.write_text(block("python", number), encoding="utf-8")
    client = await asyncio.create_subprocess_exec(
        *(sys.executable, str(script), *given),
        env=os.environ | variables,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await client.communicate()
    return client.returncode, errors.decode()


async def speak(server: LiveKit, folder: Path) -> tuple[int | None, str]:
    """Run the client of the guide."""
    keys = {"LIVEKIT_URL": server.url, "LIVEKIT_API_KEY": KEY, "LIVEKIT_API_SECRET": SECRET}
    return await example(0, folder, keys, str(recording(folder)), "lounge", "ben")


async def test_the_egress_of_the_guide_reaches_the_gateway(tmp_path: Path) -> None:
    """The example asks LiveKit for an egress. A server in LiveKit's place keeps the URL, and the test is the egress."""
    asked: list[api.TrackEgressRequest] = []

    async def start(request: web.Request) -> web.Response:
        asked.append(api.TrackEgressRequest.FromString(await request.read()))
        return web.Response(body=api.EgressInfo().SerializeToString(), content_type="application/protobuf")

    app = web.Application()
    app.router.add_post("/twirp/livekit.Egress/StartTrackEgress", start)
    runner, port = web.AppRunner(app), free_port()
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    async with gateway(egress_tokens=(TOKEN,)) as place:
        keys = {"LIVEKIT_URL": f"http://127.0.0.1:{port}", "LIVEKIT_API_KEY": KEY, "LIVEKIT_API_SECRET": SECRET}
        ours = {"GATEWAY": f"ws://127.0.0.1:{place.gateway.port}", "EGRESS_TOKEN": TOKEN}
        assert await example(1, tmp_path, keys | ours, "a/b", "ü&c", "TR_1") == (0, "")
        async with connect(asked[0].websocket_url, proxy=None) as egress:
            await egress.send(bytes(3_840))
        await until(lambda: len(place.sink.chunks) == 2)
    await runner.cleanup()
    assert (asked[0].room_name, asked[0].track_id) == ("a/b", "TR_1")
    chunk = place.sink.chunks[0]
    assert (chunk.room, chunk.speaker, chunk.sample_rate, chunk.channels) == ("a/b", "ü&c", 48_000, 2)


@pytest.mark.weights
async def test_speech_in_a_room_becomes_a_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("METRICS", "CONSOLE"):
        monkeypatch.setenv(f"VOXWARDEN_{name}__PORT", "0")
    host, stop, listening, leave = Host(), asyncio.Event(), list[Listening](), asyncio.Event()
    gateway = GatewaySettings(port=0, tokens=[TOKEN])
    settings = Settings(data_dir=tmp_path / "data", asr=Asr(model="tiny.en"), gateway=gateway)
    with LiveKit(tmp_path) as server:
        running = asyncio.create_task(run_one_machine(settings, host, stop))
        await until(lambda: host.ready.is_set() or running.done(), PATIENCE_SECONDS)
        here = server.settings(gateway_url=f"ws://127.0.0.1:{host.gateway.port}")
        bot = asyncio.create_task(
            serve_livekit(settings.model_copy(update={"livekit": here}), listening.append, leave.wait)
        )
        await until(lambda: listening or bot.done())
        assert await speak(server, tmp_path) == (0, "")
        leave.set()
        await bot
    stop.set()
    await running
    assert listening[0].webhook_url == f"http://127.0.0.1:{server.webhook}/webhook"
    with closing(open_store(settings)) as store:
        (case,) = store.cases(Filters())
    assert (case.room, case.speaker, case.label) == ("lounge", "ben", "violence")
