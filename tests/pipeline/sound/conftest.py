"""The tiny ear, saved once."""

from pathlib import Path

import pytest

from tests.pipeline.sound import tiny_model


@pytest.fixture(scope="session")
def tiny_ear(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the tiny model. Tests copy it to change it."""
    return tiny_model.save(tmp_path_factory.mktemp("ear") / "tiny")


@pytest.fixture(scope="session")
def ear_map(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model.save_map(tmp_path_factory.mktemp("map"))
