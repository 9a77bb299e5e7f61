"""Each line has a voice of its own, and a command makes the recordings that are missing."""

from pathlib import Path
from shlex import quote

import pytest

from pipeline.base.errors import ConfigError
from training.speech import lines
from training.speech.recordings import VOICES, Line, TrainingLine, speak

LINE = Line("en", "clean", "thank you for calling")


def test_ids_are_unique_and_every_voice_is_used() -> None:
    found = lines.tested()
    assert len({line.id for line in found}) == len(found)
    for language, names in VOICES.items():
        assert {line.voice for line in found if line.language == language} == set(names.split())


@pytest.mark.parametrize("language", VOICES)
def test_a_training_line_has_a_mix_of_two_voices(language: str) -> None:
    for number in range(50):
        one, other = TrainingLine(language, "clean", f"line {number}").voice.split("+")
        assert one != other
        assert {one, other} < set(VOICES[language].split()) - {"joe"}


def test_missing_recordings_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"1 of 1 recordings .* {LINE.id}.flac"):
        speak([LINE], tmp_path, None)
    with pytest.raises(ConfigError, match="status 3"):
        speak([LINE], tmp_path, "exit 3")


def test_the_command_makes_only_missing_recordings(tmp_path: Path) -> None:
    there = Line("en", "clean", "already there")
    (tmp_path / f"{there.id}.flac").touch()
    log = tmp_path / "asked"
    speak([there, LINE], tmp_path, f"tee {quote(str(log))} | cut -f1 | xargs touch")
    assert log.read_text() == f"{tmp_path / LINE.id}.flac\ten\t{LINE.voice}\t{LINE.text}\n"
