"""`voxwarden api` serves until it is told to stop, and shows its health."""

import asyncio
import os
import signal
from pathlib import Path

import httpx
import pytest

from agents.commands.api import _serve
from pipeline.settings import Settings

pytestmark = pytest.mark.weights


async def test_the_api_and_its_figures_are_served_until_the_signal_to_stop(
    sqlite_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings.model_validate(
        {
            "data_dir": str(tmp_path),
            "asr": {"model": "tiny.en"},
            "store": {"url": sqlite_url},
            "api": {"port": 0},
            "metrics": {"port": 0},
        }
    )
    serving, printed = asyncio.create_task(_serve(settings)), ""
    while "Press Ctrl-C" not in printed and not serving.done():
        await asyncio.sleep(0.01)
        printed += capsys.readouterr().err
    urls = {line.split()[0]: line.split()[1] for line in printed.splitlines() if "http://" in line}
    async with httpx.AsyncClient() as client:
        assert (await client.get(urls["API"].replace("/v1/moderations", "/healthz"))).status_code == 200
        assert (await client.get(urls["Metrics"].replace("/metrics", "/readyz"))).status_code == 200
        assert "voxwarden_dependency_up" in (await client.get(urls["Metrics"])).text
        os.kill(os.getpid(), signal.SIGTERM)
        await serving
