"""`voxwarden dead-letters` on one machine without a broker."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agents.commands.command_line import app
from pipeline.base.errors import BadMessage, InputError
from pipeline.contract.stage import Rejected
from pipeline.review.evidence.lookback import Lookback, open_lookback
from pipeline.review.evidence.segments import Finish
from pipeline.runner.dead_letter_file import DeadLetterFile, dead_letter_path
from pipeline.settings import Settings
from tests.builders import utterance

Shell = Callable[..., str]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data")


@pytest.fixture
def lookback(settings: Settings) -> Lookback:
    return open_lookback(settings)


@pytest.fixture
def shell(settings: Settings) -> Shell:
    """Return a function that runs a command and returns its output."""

    def run(*arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, [*arguments], env={"VOXWARDEN_DATA_DIR": str(settings.data_dir)})
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == code, done.output
        return done.stdout

    return run


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def say(lookback: Lookback, name: str, outcome: Finish) -> str:
    address = lookback.put(utterance(name, 0, room_type="kids"))
    lookback.finish([address], outcome)
    return address


def test_a_dead_letter_is_listed_shown_replayed_and_dropped(
    shell: Shell, settings: Settings, lookback: Lookback
) -> None:
    address = say(lookback, "bad", Finish.FAILED)
    box = DeadLetterFile(dead_letter_path(settings))
    box.add("transcribe", Rejected(lookback.get(address), BadMessage("No FLAC")))
    (letter,) = lines(shell("dead-letters", "list", "--local", "--format", "jsonl"))
    assert (letter["stage"], letter["origin"], letter["reason"]) == ("transcribe", address, "No FLAC")
    assert b"flac".hex(" ") in shell("dead-letters", "show", letter["address"], "--local")
    assert "1 replayed" in shell("dead-letters", "replay", letter["address"], "--local")
    assert lookback.unfinished() == [address]
    box.add("transcribe", Rejected(lookback.get(address), BadMessage("No FLAC again")))
    assert "1 dropped" in shell("dead-letters", "drop", "--all", "--local")
    assert lines(shell("dead-letters", "list", "--local", "--format", "jsonl")) == []


def test_a_folder_without_a_run_is_named(shell: Shell, settings: Settings) -> None:
    with pytest.raises(InputError, match=str(settings.data_dir)):
        shell("dead-letters", "list", "--local")
    assert not settings.data_dir.exists()
