"""The demo prints each utterance as it is judged, and counts what it flagged."""

from pathlib import Path

import pytest

from agents.commands.demo import _Audience
from agents.commands.terminal import stdout
from pipeline.runner.demo_rooms import DemoPlayback
from pipeline.settings import Settings
from tests.builders import NOON, flag, utterance


def test_only_flags_are_printed_and_counted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(stdout, "width", 400)  # the name of a folder of tests may be long
    monkeypatch.setattr("time.time", lambda: NOON + 4)
    audience = _Audience()
    said = utterance("u", NOON, NOON + 4)
    audience.see("judge", [], [flag("early", 0, 2)])
    audience.playback = DemoPlayback(NOON, 2.0)
    audience.see("judge", [said], [flag("late", 0, 4), flag("fine", 1, 5, suggestion="pass"), said])
    early, late, fine = capsys.readouterr().out.splitlines()
    assert "+2.0 s" in early, "without playback, the speech is live"
    assert "+2.0 s" in late, "at twice the speed, 4 s of speech end after 2 s"
    assert "● pass" in fine
    audience.sum_up(Settings(data_dir=tmp_path))
    told = " ".join(capsys.readouterr().out.split())
    assert told.startswith("3 utterances, 2 flagged.")
    assert f"(in {tmp_path / 'voxwarden.db'})" in told


@pytest.mark.parametrize("found", [True, False])
def test_where_the_command_is_not_on_the_path_the_activation_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, found: bool
) -> None:
    """`make run` starts the command of an environment that is not active in the user's terminal."""
    command = tmp_path / "bin" / "voxwarden"
    command.parent.mkdir()
    command.with_name("activate").touch()
    if found:
        command.touch(0o755)
    monkeypatch.setattr(stdout, "width", 400)
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    monkeypatch.setenv("PATH", str(command.parent))
    _Audience().sum_up(Settings(data_dir=tmp_path))
    assert (f"  . {tmp_path}/bin/activate\n" in capsys.readouterr().out) is not found
