"""`voxwarden rtp` says at once what is missing."""

import sys

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from agents.commands.command_line import app
from agents.commands.rtp import _serve
from pipeline.base.errors import ConfigError
from pipeline.settings import GatewaySettings, RtpSettings, Settings

TOKENS = (SecretStr("0123456789abcdef"),)


def test_the_help_leads_to_the_guide() -> None:
    shown = CliRunner().invoke(app, ["rtp", "--help"], env={"COLUMNS": "200"})
    assert "docs/integrate.md" in shown.output


async def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [
        name for name in sys.modules if name.startswith(("pipeline.connect.rtp", "pipeline.base.http_server"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(ConfigError, match=r'uvicorn is not installed. Install it: pip install "voxwarden\[console\]"'):
        await _serve(Settings(gateway=GatewaySettings(tokens=TOKENS)))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"first_port": 9, "last_port": 8}, "rtp.last_port is lower"),
        ({"jitter_seconds": 0}, "jitter_seconds"),
        ({"gateway_url": "http://a"}, "gateway_url"),
        ({"tokens": ["short"]}, "shorter than 16"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RtpSettings.model_validate(given)
