"""Each server serves until it is told to stop, and says at once what is missing."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from agents.commands.command_line import app
from agents.commands.servers import _serve_api, _serve_console, _serve_livekit, _serve_rtp, print_address
from pipeline.base.errors import ConfigError
from pipeline.console.console_app import Serving
from pipeline.settings import ActionRule, GatewaySettings, LiveKitSettings, RtpSettings, Settings


@pytest.fixture
def settings(sqlite_url: str, tmp_path: object) -> Settings:
    return Settings.model_validate(
        {"data_dir": str(tmp_path), "store": {"url": sqlite_url}, "console": {"port": 0}, "metrics": {"port": 0}}
    )


async def test_the_console_and_its_figures_are_served_until_the_signal_to_stop(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    serving, printed = asyncio.create_task(_serve_console(settings)), ""
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
        asyncio.run(_serve_console(Settings()))


TOKENS = (SecretStr("0123456789abcdef"),)


def test_the_help_of_rtp_leads_to_the_guide() -> None:
    shown = CliRunner().invoke(app, ["rtp", "--help"], env={"COLUMNS": "200"})
    assert "docs/integrate.md" in shown.output


async def test_a_missing_library_of_rtp_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [
        name for name in sys.modules if name.startswith(("pipeline.connect.rtp", "pipeline.base.http_server"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(ConfigError, match=r'uvicorn is not installed. Install it: pip install "voxwarden\[console\]"'):
        await _serve_rtp(Settings(gateway=GatewaySettings(tokens=TOKENS)))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"first_port": 9, "last_port": 8}, "rtp.last_port is lower"),
        ({"jitter_seconds": 0}, "jitter_seconds"),
        ({"gateway_url": "http://a"}, "gateway_url"),
        ({"tokens": ["short"]}, "shorter than 16"),
    ],
)
def test_a_setting_of_rtp_that_cannot_be_meant_is_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RtpSettings.model_validate(given)


@pytest.mark.weights
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
    serving, printed = asyncio.create_task(_serve_api(settings)), ""
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


KEYS: dict[str, Any] = {"api_key": "key", "api_secret": "a secret of 32 bytes or even more"}


async def refusal_of_livekit(settings: Settings) -> str:
    with pytest.raises(ConfigError) as caught:
        await _serve_livekit(settings)
    return str(caught.value)


async def test_missing_keys_are_named() -> None:
    assert "VOXWARDEN_LIVEKIT__API_SECRET" in await refusal_of_livekit(Settings())
    assert "VOXWARDEN_LIVEKIT__API_SECRET" in await refusal_of_livekit(Settings(livekit=LiveKitSettings(api_key="key")))


async def test_a_missing_token_of_the_gateway_is_named() -> None:
    assert "VOXWARDEN_GATEWAY__TOKENS" in await refusal_of_livekit(Settings(livekit=LiveKitSettings(**KEYS)))


async def test_a_rule_for_an_unknown_label_is_refused() -> None:
    rules = (ActionRule(action="mute", labels=("vilence",)),)
    given = Settings(livekit=LiveKitSettings(**KEYS, rules=rules), gateway=GatewaySettings(tokens=TOKENS))
    assert "livekit.rules: unknown label vilence" in await refusal_of_livekit(given)


async def test_a_missing_library_of_livekit_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("pipeline.connect.livekit")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "livekit", None)
    given = Settings(livekit=LiveKitSettings(**KEYS), gateway=GatewaySettings(tokens=TOKENS))
    assert 'livekit is not installed. Install it: pip install "voxwarden[livekit]"' in await refusal_of_livekit(given)


def test_the_help_of_livekit_leads_to_the_guide() -> None:
    shown = CliRunner().invoke(app, ["livekit", "--help"], env={"COLUMNS": "200"})
    assert "docs/livekit.md" in shown.output


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"members": ["a", "b"], "name": "c"}, "livekit.name is c"),
        ({"members": ["a"]}, "livekit.name is empty"),
        ({"api_secret": "secret"}, "shorter than 32 bytes"),
        ({"rules": [{"action": "ban"}]}, "action"),
        ({"url": "localhost:7880"}, "url"),
    ],
)
def test_a_setting_of_livekit_that_cannot_be_meant_is_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LiveKitSettings.model_validate(given)
