"""The tiny ear, saved once."""

from pathlib import Path

import pytest

from tests.pipeline.sound.second_ear import tiny


@pytest.fixture(scope="session")
def tiny_ear(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the tiny model. Tests copy it to change it."""
    return tiny.save(tmp_path_factory.mktemp("ear") / "tiny")


@pytest.fixture(scope="session")
def ear_map(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save_map(tmp_path_factory.mktemp("map"))
