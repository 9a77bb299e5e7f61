"""A removed command is refused in one line that says where its work is done now."""

import pytest
from typer.testing import CliRunner

from agents.commands.command_line import app
from agents.commands.removed_commands import REMEDIES
from pipeline.base.errors import ConfigError


@pytest.mark.parametrize("command", REMEDIES)
def test_the_error_names_the_remedy(command: str) -> None:
    error = CliRunner().invoke(app, ["--set", "asr.model=tiny", *command.split(), "list", "--local"]).exception
    assert isinstance(error, ConfigError)
    assert str(error) == f"There is no command `voxwarden {command}` any more. {REMEDIES[command]}"


def test_other_unknown_commands_are_errors_of_the_usage() -> None:
    for words in (["assess", "nothing"], ["nothing"]):
        assert CliRunner().invoke(app, words).exit_code == 2
