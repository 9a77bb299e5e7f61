"""Only one process works in a data folder."""

import os
from pathlib import Path

import pytest

from pipeline.errors import ConfigError
from pipeline.sole import sole_user


def test_a_second_user_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    with (
        sole_user(tmp_path / "data"),
        pytest.raises(ConfigError, match=rf"data is in use .*\({os.getpid()}\)"),
        sole_user(tmp_path / "data"),
    ):
        pass


def test_it_is_free_after_the_first(tmp_path: Path) -> None:
    for _ in range(2):
        with sole_user(tmp_path):
            pass
