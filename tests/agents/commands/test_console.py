"""`voxwarden console` serves until it is told to stop, and prints a new login once."""

import asyncio
import os
import signal
import sys

import httpx
import pytest

from agents.commands.console import _serve, print_address
from pipeline.base.errors import ConfigError
from pipeline.console.console_app import Serving
from pipeline.settings import Settings


@pytest.fixture
def settings(sqlite_url: str, tmp_path: object) -> Settings:
    return Settings.model_validate(
        {"data_dir": str(tmp_path), "store": {"url": sqlite_url}, "console": {"port": 0}, "metrics": {"port": 0}}
    )


async def test_the_console_and_its_figures_are_served_until_the_signal_to_stop(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    serving, printed = asyncio.create_task(_serve(settings)), ""
    while "Press Ctrl-C" not in printed and not serving.done():
        await asyncio.sleep(0.01)
        printed += capsys.readouterr().err
    urls = {line.split()[0]: line.split()[1] for line in printed.splitlines() if "http://" in line}
    async with httpx.AsyncClient() as client:
        assert (await client.get(urls["Console"] + "/healthz")).status_code == 200
        assert (await client.get(urls["Metrics"].replace("/metrics", "/readyz"))).status_code == 200
        assert "voxwarden_" in (await client.get(urls["Metrics"])).text
        assert printed.count("Login    ") == 1
        os.kill(os.getpid(), signal.SIGTERM)
        await serving
        with pytest.raises(httpx.ConnectError):
            await client.get(urls["Console"])


@pytest.mark.parametrize("login", [None, ("admin", "[bold]x[/] pass")])
def test_a_login_is_printed_as_it_is(login: tuple[str, str] | None, capsys: pytest.CaptureFixture[str]) -> None:
    print_address(Serving("http://127.0.0.1:1", login))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[0] == "Console  http://127.0.0.1:1"
    assert err.splitlines()[1:] == (
        ["Login    admin / [bold]x[/] pass   (new; it is shown only once)"] if login else []
    )


def test_the_error_names_a_library_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pipeline.console.console_app", "pipeline.base.http_server"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(ConfigError, match=r'uvicorn is not installed\. Install it: pip install "voxwarden\[console\]"'):
        asyncio.run(_serve(Settings()))
