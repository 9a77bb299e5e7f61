"""docs/api.md is true: its examples give what it shows."""

import asyncio
import doctest
import wave
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import pytest

from pipeline.speech.audio.decode import samples_of
from pipeline.speech.audio.encode import to_pcm16
from tests.agents.gateway.test_gateway_server import running
from tests.deploy.files import ROOT

BEARER = "an-ascii-token-of-the-tests"


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run a gateway in a thread, because the examples run event loops of their own."""
    ready, over, addresses = Event(), Event(), []

    async def serve() -> None:
        async with running(tokens=(BEARER,)) as place:
            addresses.append(f"ws://127.0.0.1:{place.gateway.port}")
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert ready.wait(30)
    monkeypatch.setenv("GATEWAY", addresses[0])
    monkeypatch.setenv("TOKEN", BEARER)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield
    over.set()
    thread.join()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with a recording of the demo."""
    with wave.open(str(tmp_path / "call.wav"), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(16_000)
        wav.writeframes(to_pcm16(samples_of(ROOT / "pipeline" / "runner" / "demo" / "lounge-ben.ogg")))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.weights
@pytest.mark.usefixtures("gateway", "folder")
def test_the_examples_give_what_they_show() -> None:
    page = ROOT / "docs" / "api.md"
    found = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert found.attempted > 15
    assert found.failed == 0
