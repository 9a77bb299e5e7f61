"""The files that the command line finds in a folder."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from agents.commands.command_line import app
from agents.commands.paths import SUFFIXES, audio_files
from pipeline.speech.audio.container import FORMATS

ENDINGS = {
    "aiff": {".aif", ".aiff"}, "amrnb": {".amr"}, "amrwb": {".awb"}, "asf": {".asf", ".wma"}, "au": {".au", ".snd"},
    "matroska": {".mka", ".mkv"}, "mpeg": {".mpg", ".mpeg"}, "mpegts": {".ts", ".mts", ".m2ts"},
    "ogg": {".oga", ".ogg", ".opus", ".spx"},
}  # fmt: skip
"""Endings of the formats whose name is not their only ending."""


@pytest.mark.parametrize("kind", FORMATS.split(","))
def test_a_folder_gives_recordings_of_every_supported_format(kind: str, tmp_path: Path) -> None:
    files = [tmp_path / f"call{ending}" for ending in sorted(ENDINGS.get(kind, {f".{kind}"}))]
    for file in files:
        file.touch()
    assert audio_files([tmp_path]) == files


@pytest.mark.parametrize("command", ["moderate", "transcribe", "label check", "fingerprints match"])
def test_an_empty_path_is_not_the_whole_folder(command: str) -> None:
    result = CliRunner().invoke(app, [*command.split(), ""])
    assert (result.exit_code, "a path is empty" in result.stderr) == (2, True)


def test_capital_endings_and_inner_folders_count_and_other_files_do_not(tmp_path: Path) -> None:
    inner = tmp_path / "2024" / "CALL.AMR"
    inner.parent.mkdir()
    inner.touch()
    (tmp_path / "notes.txt").touch()
    assert audio_files([tmp_path, inner]) == [inner]
    assert all(ending == ending.lower() for ending in SUFFIXES)
