"""`voxwarden tokens` on the command line."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agents.commands.command_line import app
from pipeline.base.errors import AccountError

Type = Callable[..., Result]


@pytest.fixture
def typed(tmp_path: Path) -> Type:
    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["--set", f"data_dir={tmp_path}", *arguments])

    return run


def test_a_token_is_made_listed_and_revoked(typed: Type) -> None:
    assert typed("tokens", "list").stdout.startswith("No tokens.")
    token = typed("tokens", "make", "voice app", "--scope", "reports", "--scope", "cases", "--days", "9").stdout.strip()
    listed = typed("tokens", "list").stdout
    assert token[:11] in listed
    assert "cases, reports" in listed
    assert token[11:] not in listed
    assert typed("tokens", "revoke", token[:11]).stdout == f"{token[:11]} is revoked\n"
    assert "ended" in typed("tokens", "list").stdout
    assert isinstance(typed("tokens", "revoke", token[:11]).exception, AccountError)
    assert typed("tokens", "make", "x", "--scope", "everything").exit_code == 2
