"""Files that users write are read strictly, and an error names the file and the key."""

from pathlib import Path

import pytest
import yaml
from pydantic import Field, field_validator

from pipeline.base import user_files
from pipeline.base.errors import ConfigError
from pipeline.base.user_files import PREFIX, StrictModel, config_file, configs_folder, is_path, read_user_file
from pipeline.settings import Settings


class Inner(StrictModel):
    level: int = Field(1, ge=0)


class Rules(StrictModel):
    name: str = "none"
    share: float = 0.5
    rooms: dict[str, Inner] = Field(default_factory=dict)

    @field_validator("name")
    @classmethod
    def _check(cls, value: str) -> str:
        if value == "bad":
            raise ValueError("bad is no name")
        return value


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mine.yaml"


@pytest.mark.parametrize("content", ["", "# nothing yet\n", "null\n", "{}"])
def test_a_file_without_content_gives_the_defaults(file: Path, content: str) -> None:
    file.write_text(content, "utf-8")
    assert read_user_file(file, Rules) == Rules()


@pytest.mark.parametrize("content", ["[]", "false", "0", "''", "- a", "text"])
def test_content_that_is_no_mapping_is_refused(file: Path, content: str) -> None:
    file.write_text(content, "utf-8")
    with pytest.raises(ConfigError, match=r"mine\.yaml: the file: "):
        read_user_file(file, Rules)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("nmae: x", "mine.yaml: nmae: Extra inputs are not permitted"),
        ("name: bad", "mine.yaml: name: bad is no name"),
        ("share: .nan", "mine.yaml: share: Input should be a finite number"),
        ("rooms: {kids: {level: -1}}", "mine.yaml: rooms.kids.level: Input should be greater"),
        ("rooms: {1: {level: 1}}", "mine.yaml: rooms.1: Input should be a valid string"),
        ("name: [", "mine.yaml, line 2, is not YAML"),
    ],
)
def test_the_error_names_file_and_key_in_one_line(file: Path, content: str, said: str) -> None:
    file.write_text(content + "\n", "utf-8")
    with pytest.raises(ConfigError) as caught:
        read_user_file(file, Rules)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_error_for_a_missing_file_lists_the_others(file: Path) -> None:
    with pytest.raises(ConfigError, match="Check the path"):
        read_user_file(file, Rules)
    for name in ("strict", "default"):
        (file.parent / f"{name}.yaml").touch()
    with pytest.raises(ConfigError, match="There are: default, strict"):
        read_user_file(file, Rules)


@pytest.mark.parametrize(
    ("name", "path"),
    [("strict", False), ("zh", False), ("./strict", True), ("a/b", True), ("mine.yaml", True), ("mine.yml", True)],
)
def test_a_name_with_a_slash_or_an_ending_is_a_path(name: str, path: bool) -> None:
    assert is_path(name) == path


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
    monkeypatch.setattr(user_files, "__file__", str(package / "base" / "configuration.py"))
    assert configs_folder() == tmp_path / "configs"
    (package / "configs").mkdir()
    assert configs_folder() == package / "configs"
