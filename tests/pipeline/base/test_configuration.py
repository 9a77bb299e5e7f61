"""The settings file is the one that the user names, or else the shipped one."""

from pathlib import Path

import pytest
import yaml

from pipeline.base import configuration
from pipeline.base.configuration import PREFIX, config_file, configs_folder
from pipeline.settings import Settings


def test_the_shipped_file_is_found_from_every_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PREFIX + "CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    assert config_file() == configs_folder() / "voxwarden.yaml"
    assert Settings.model_validate(yaml.safe_load(config_file().read_text("utf-8")) or {})


@pytest.mark.parametrize(("value", "found"), [("mine.yaml", "mine.yaml"), ("", "voxwarden.yaml")])
def test_the_users_file_comes_first_unless_its_name_is_empty(
    value: str, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PREFIX + "CONFIG", value)
    assert config_file().name == found


def test_an_installed_package_has_its_own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wheel carries `configs` inside the package. A checkout has it beside the package."""
    package = tmp_path / "pipeline"
    package.mkdir()
    monkeypatch.setattr(configuration, "__file__", str(package / "base" / "configuration.py"))
    assert configs_folder() == tmp_path / "configs"
    (package / "configs").mkdir()
    assert configs_folder() == package / "configs"
