"""A configuration file for a test, and an environment without settings."""

import os
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.upper().startswith("VOXWARDEN_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def write(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    def written(content: str | bytes) -> Path:
        path = tmp_path / "voxwarden.yaml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        monkeypatch.setenv("VOXWARDEN_CONFIG", str(path))
        return path

    return written
