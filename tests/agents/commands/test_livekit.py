"""`voxwarden livekit` says at once what is missing."""

import sys
from typing import Any

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from agents.commands import livekit
from agents.commands.command_line import app
from agents.commands.livekit import _serve
from pipeline.base.errors import ConfigError
from pipeline.settings import ActionRule, GatewaySettings, LiveKitSettings, Settings

TOKENS = (SecretStr("0123456789abcdef"),)
KEYS: dict[str, Any] = {"api_key": "key", "api_secret": "a secret of 32 bytes or even more"}


async def refusal(settings: Settings) -> str:
    with pytest.raises(ConfigError) as caught:
        await _serve(settings)
    return str(caught.value)


async def test_missing_keys_are_named() -> None:
    assert "VOXWARDEN_LIVEKIT__API_SECRET" in await refusal(Settings())
    assert "VOXWARDEN_LIVEKIT__API_SECRET" in await refusal(Settings(livekit=LiveKitSettings(api_key="key")))


async def test_a_missing_token_of_the_gateway_is_named() -> None:
    assert "VOXWARDEN_GATEWAY__TOKENS" in await refusal(Settings(livekit=LiveKitSettings(**KEYS)))


async def test_a_rule_for_an_unknown_label_is_refused() -> None:
    rules = (ActionRule(action="mute", labels=("vilence",)),)
    given = Settings(livekit=LiveKitSettings(**KEYS, rules=rules), gateway=GatewaySettings(tokens=TOKENS))
    assert "livekit.rules: unknown label vilence" in await refusal(given)


async def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("pipeline.connect.livekit")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "livekit", None)
    given = Settings(livekit=LiveKitSettings(**KEYS), gateway=GatewaySettings(tokens=TOKENS))
    assert 'livekit is not installed. Install it: pip install "voxwarden[livekit]"' in await refusal(given)


def test_the_help_leads_to_the_guide() -> None:
    shown = CliRunner().invoke(app, ["livekit", "--help"], env={"COLUMNS": "200"})
    assert "docs/livekit.md" in shown.output
    assert livekit.__doc__


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
def test_a_setting_that_cannot_be_meant_is_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LiveKitSettings.model_validate(given)
