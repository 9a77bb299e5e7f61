"""`voxwarden fingerprints`: songs are banned, and found in recordings of rooms."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from agents.commands.command_line import app
from pipeline.base.errors import InputError, VoxwardenError
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.audio.encode import encode_flac, encode_opus_clip
from tests.pipeline.sound.fingerprints.music import part, talk, tune

Type = Callable[..., Result]


@pytest.fixture
def typed(tmp_path: Path) -> Type:
    def run(*arguments: str | Path) -> Result:
        command = ["--set", f"data_dir={tmp_path / 'data'}", "fingerprints", *map(str, arguments)]
        return CliRunner().invoke(app, command)

    return run


@pytest.fixture
def song(tmp_path: Path) -> Path:
    (tmp_path / "anthem.flac").write_bytes(encode_flac(tune(1)))
    return tmp_path / "anthem.flac"


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """Ten seconds of talk, then ten seconds of the song."""
    sound = np.concatenate([talk(10 * SAMPLE_RATE), part(tune(1), 4, 14)])
    (tmp_path / "room.ogg").write_bytes(encode_opus_clip(sound, 16_000))
    return tmp_path / "room.ogg"


def test_a_song_is_banned_and_found(typed: Type, song: Path, room: Path) -> None:
    added = typed("add", song, "--title", "The anthem", "--reason", "ticket 4711", "--label", "terror_extremism")
    assert (added.exception, added.exit_code, added.stderr) == (None, 0, "")
    identity, title = added.stdout.strip().split("  ")
    assert title == "The anthem"

    found = typed("match", room, song).stdout.splitlines()
    assert found[0].startswith(f"{room}  0:")
    assert found[0].endswith(f"of {identity}  The anthem")
    assert found[1].startswith(f"{song}  0:0")


def test_programs_read_json_lines(typed: Type, song: Path, room: Path) -> None:
    typed("add", song, "--reason", "ticket 4711")
    (found,) = map(json.loads, typed("match", room, "--jsonl").stdout.splitlines())
    assert found.keys() == {"file", "recording", "begin", "end", "offset", "landmarks", "title", "label"}
    assert (found["file"], found["title"], found["label"]) == (str(room), "anthem", "")
    assert found["begin"] == pytest.approx(10, abs=1)
    assert found["offset"] - found["begin"] == pytest.approx(4 - 10, abs=0.1)


def test_files_that_cannot_be_added_do_not_stop_the_others(typed: Type, song: Path, tmp_path: Path) -> None:
    (tmp_path / "silence.flac").write_bytes(encode_flac(np.zeros(9 * SAMPLE_RATE, np.float32)))
    (tmp_path / "notes.wav").write_text("no audio")
    done = typed(
        "add", tmp_path / "notes.wav", tmp_path / "silence.flac", tmp_path / "gone.mp3", song, song, "--reason", "x"
    )
    assert done.exit_code == 3
    assert len(done.stdout.splitlines()) == 1
    errors = done.stderr.replace("\n", " ")
    for problem in ("notes.wav cannot be read as audio", "silence has 0 landmarks", "no file", "gone.mp3"):
        assert problem in errors
    again = typed("add", song, "--reason", "x")
    assert "in the bank already" in again.stderr


def test_a_truncated_recording_is_not_added(typed: Type, song: Path) -> None:
    song.write_bytes(song.read_bytes()[:-9_000])
    done = typed("add", song, "--reason", "x")
    assert done.exit_code == 3
    assert "incomplete" in done.stderr
    assert "The bank has no recordings" in str(typed("match", song).exception)


def test_what_a_damaged_recording_still_has_is_found(typed: Type, song: Path) -> None:
    typed("add", song, "--reason", "x")
    song.write_bytes(song.read_bytes()[:-9_000])
    done = typed("match", song)
    assert done.exit_code == 3
    assert "incomplete" in done.stderr
    assert "anthem" in done.stdout


def test_a_wrong_label_is_refused_before_anything_is_read(typed: Type, song: Path) -> None:
    done = typed("add", song, "--reason", "x", "--label", "musik")
    assert isinstance(done.exception, VoxwardenError)
    assert "--label" in str(done.exception)


def test_an_empty_bank_matches_nothing_and_says_so(typed: Type, room: Path) -> None:
    error = typed("match", room).exception
    assert isinstance(error, InputError)
    assert "Add one with `voxwarden fingerprints add`" in str(error)


def test_a_store_that_cannot_be_made_is_named(typed: Type, song: Path, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    assert "Set data_dir" in str(typed("add", song, "--reason", "x").exception)


def test_a_recording_comes_through_a_pipe(tmp_path: Path, song: Path) -> None:
    command = [sys.executable, "-m", "agents", "--set", f"data_dir={tmp_path / 'data'}", "fingerprints"]
    with song.open("rb") as file:
        done = subprocess.run(
            [*command, "add", "-", "--reason", "x"], stdin=file, capture_output=True, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (0, "")
