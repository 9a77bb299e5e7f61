"""A source without an encoder is named, with the remedy."""

from pathlib import Path

import pytest

from pipeline.base.errors import ConfigError
from training.classifier import beginning


def test_a_folder_without_an_encoder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"No encoder at {tmp_path}"):
        beginning.start(str(tmp_path))


def test_the_check_refuses_what_cannot_be_loaded(tmp_path: Path) -> None:
    beginning.check()
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ConfigError, match=r"No encoder at .*Name a folder or a hub id"):
        beginning.check(str(tmp_path))
