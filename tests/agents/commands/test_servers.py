"""Each server serves until it is told to stop, and says at once what is missing."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import pytest
from pydantic import BaseModel, SecretStr
from typer.testing import CliRunner

from agents.commands.command_line import app
from agents.commands.servers import _serve_api, _serve_console, _serve_livekit, _serve_rtp, print_address
from pipeline.base.errors import ConfigError
from pipeline.base.libraries import install_extra
from pipeline.console.console_app import Serving
from pipeline.settings import ActionRule, GatewaySettings, LiveKitSettings, RtpSettings, Settings

Serve = Callable[[Settings], Coroutine[Any, Any, None]]

TOKENS = (SecretStr("0123456789abcdef"),)
KEYS: dict[str, Any] = {"api_key": "key", "api_secret": "a secret of 32 bytes or even more"}
LIVEKIT = Settings(livekit=LiveKitSettings(**KEYS), gateway=GatewaySettings(tokens=TOKENS))


@pytest.mark.parametrize(
    ("serve", "name", "metric"),
    [
        (_serve_console, "Console", "voxwarden_"),
        pytest.param(_serve_api, "API", "voxwarden_dependency_up", marks=pytest.mark.weights),
    ],
)
async def test_a_server_and_its_figures_are_served_until_the_signal_to_stop(
    sqlite_url: str, tmp_path: object, capsys: pytest.CaptureFixture[str],
    serve: Serve, name: str, metric: str,
) -> None:  # fmt: skip
    port: dict[str, Any] = {"port": 0}
    settings = Settings.model_validate(
        {"data_dir": str(tmp_path), "store": {"url": sqlite_url}, "asr": {"model": "tiny.en"}}
        | {"console": port, "api": port, "metrics": port}
    )
    serving, printed = asyncio.create_task(serve(settings)), ""
    while "Press Ctrl-C" not in printed and not serving.done():
        await asyncio.sleep(0.01)
        printed += capsys.readouterr().err
    urls = {line.split()[0]: line.split()[1] for line in printed.splitlines() if "http://" in line}
    served = urls[name].removesuffix("/v1/moderations")
    async with httpx.AsyncClient() as client:
        assert (await client.get(served + "/healthz")).status_code == 200
        assert (await client.get(urls["Metrics"].replace("/metrics", "/readyz"))).status_code == 200
        assert metric in (await client.get(urls["Metrics"])).text
        assert printed.count("Login    ") == (name == "Console")
        os.kill(os.getpid(), signal.SIGTERM)
        await serving
        with pytest.raises(httpx.ConnectError):
            await client.get(served)


@pytest.mark.parametrize("login", [None, ("admin", "[bold]x[/] pass")])
def test_a_login_is_printed_as_it_is(login: tuple[str, str] | None, capsys: pytest.CaptureFixture[str]) -> None:
    print_address(Serving("http://127.0.0.1:1", login))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[0] == "Console  http://127.0.0.1:1"
    assert err.splitlines()[1:] == (
        ["Login    admin / [bold]x[/] pass   (new; it is shown only once)"] if login else []
    )


@pytest.mark.parametrize(
    ("serve", "settings", "library", "extra", "module"),
    [
        (_serve_console, Settings(), "uvicorn", "console", "pipeline.console.console_app"),
        (_serve_rtp, Settings(gateway=GatewaySettings(tokens=TOKENS)), "uvicorn", "console", "pipeline.connect.rtp"),
        (_serve_livekit, LIVEKIT, "livekit", "livekit", "pipeline.connect.livekit"),
    ],
)
async def test_the_error_names_a_library_that_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, serve: Serve, settings: Settings, library: str, extra: str, module: str
) -> None:
    for name in [name for name in sys.modules if name.startswith((module, "pipeline.base.http_server"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    message = f"{library} is not installed. Install it: {install_extra(extra)}."
    with pytest.raises(ConfigError, match=re.escape(message)):
        await serve(settings)


@pytest.mark.parametrize(("command", "guide"), [("rtp", "docs/integrate.md"), ("livekit", "docs/livekit.md")])
def test_the_help_leads_to_the_guide(command: str, guide: str) -> None:
    assert guide in CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"}).output


@pytest.mark.parametrize(
    ("part", "given", "message"),
    [
        (RtpSettings, {"first_port": 9, "last_port": 8}, "rtp.last_port is lower"),
        (RtpSettings, {"jitter_seconds": 0}, "jitter_seconds"),
        (RtpSettings, {"gateway_url": "http://a"}, "gateway_url"),
        (RtpSettings, {"tokens": ["short"]}, "shorter than 16"),
        (LiveKitSettings, {"members": ["a", "b"], "name": "c"}, "livekit.name is c"),
        (LiveKitSettings, {"members": ["a"]}, "livekit.name is empty"),
        (LiveKitSettings, {"api_secret": "secret"}, "shorter than 32 bytes"),
        (LiveKitSettings, {"rules": [{"action": "ban"}]}, "action"),
        (LiveKitSettings, {"url": "localhost:7880"}, "url"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(
    part: type[BaseModel], given: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        part.model_validate(given)


VILENCE = LiveKitSettings(**KEYS, rules=(ActionRule(action="mute", labels=("vilence",)),))


@pytest.mark.parametrize(
    ("settings", "refusal"),
    [
        (Settings(), "VOXWARDEN_LIVEKIT__API_SECRET"),
        (Settings(livekit=LiveKitSettings(api_key="key")), "VOXWARDEN_LIVEKIT__API_SECRET"),
        (Settings(livekit=LiveKitSettings(**KEYS)), "VOXWARDEN_GATEWAY__TOKENS"),
        (Settings(livekit=VILENCE, gateway=GatewaySettings(tokens=TOKENS)), "livekit.rules: unknown label vilence"),
    ],
)
async def test_livekit_names_what_is_missing_or_unknown(settings: Settings, refusal: str) -> None:
    with pytest.raises(ConfigError, match=refusal):
        await _serve_livekit(settings)
