from pathlib import Path

import pytest

from agents.commands.tune import put
from pipeline.base.errors import ConfigError
from pipeline.settings import load

CHOSEN = {"workers": 2, "batch": 16}


def test_written_values_are_read_and_other_settings_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("asr:\n  model: small  # ours\njudge:\n  policy: strict\n")
    put(path, CHOSEN)
    monkeypatch.setenv("VOXWARDEN_CONFIG", str(path))
    settings = load()
    assert (settings.asr.workers, settings.asr.batch) == (2, 16)
    assert (settings.asr.model, settings.judge.policy) == ("small", "strict")
    assert "# ours" in (tmp_path / "mine.yaml.old").read_text()


def test_an_empty_file_gets_the_section(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("")
    put(path, {"batch": 4})
    assert path.read_text() == "asr:\n  batch: 4\n"


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written"):
        put(tmp_path / "nowhere" / "mine.yaml", CHOSEN)
