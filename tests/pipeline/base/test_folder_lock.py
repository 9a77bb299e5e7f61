"""Only one process uses a data folder."""

import os
from pathlib import Path

import pytest

from pipeline.base.errors import ConfigError
from pipeline.base.folder_lock import NAME, sole_user


def test_a_second_process_is_refused_with_the_id_of_the_first(tmp_path: Path) -> None:
    with (
        sole_user(tmp_path / "data"),
        pytest.raises(ConfigError, match=rf"data is in use .*\({os.getpid()}\)"),
        sole_user(tmp_path / "data"),
    ):
        pass


def test_the_folder_is_free_after_the_first_process(tmp_path: Path) -> None:
    with sole_user(tmp_path):
        pass
    with sole_user(tmp_path):
        assert (tmp_path / NAME).read_text() == str(os.getpid())
