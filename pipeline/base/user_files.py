"""The files that users write: where the configuration is, and how YAML files become models.

Such files are policies, lexicons, labels and languages. Errors name the file and the key.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.base import yaml_reading
from pipeline.base.errors import ConfigError

M = TypeVar("M", bound=BaseModel)

PREFIX = "VOXWARDEN_"  # every environment variable of Voxwarden starts with it


def configs_folder() -> Path:
    """The shipped `configs/`: inside the package when installed, at the top of a checkout otherwise."""
    packaged = Path(__file__).parents[1] / "configs"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "configs"


def config_file() -> Path:
    """`VOXWARDEN_CONFIG`, or the shipped `configs/voxwarden.yaml`."""
    return Path(os.environ.get(PREFIX + "CONFIG") or shipped_file())


def shipped_file() -> Path:
    """The settings file with the defaults."""
    return configs_folder() / "voxwarden.yaml"


class StrictModel(BaseModel):
    """A mapping in such a file. Unknown keys are errors, so a misspelt key is never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class UserFileError(ConfigError):
    """A mistake that only knowledge of the whole file shows. `key` is its place, `code` the kind of mistake."""

    def __init__(self, what: str, remedy: str, code: str, key: Iterable[str | int] = (), **values: object) -> None:
        super().__init__(what, remedy)
        self.code, self.key, self.values = code, tuple(key), values


def is_path(name: str) -> bool:
    """Whether a setting that takes a name or a path has a path."""
    return "/" in name or name.endswith((".yaml", ".yml"))


def read_user_file(path: Path, kind: type[M]) -> M:
    """Read `path` as a `kind`; raises ConfigError."""
    return validated(yaml_reading.read_yaml(path, _known(path)), kind, str(path))


def validated(content: Any, kind: type[M], name: str) -> M:
    """Make a `kind` of the content of a file. Raises ConfigError, which has `name`."""
    try:
        return kind.model_validate({} if content is None else content)  # None: an empty file
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        # Pydantic adds `[key]` if the mistake is in the key, not in its value.
        key = ".".join(map(str, first["loc"])).removesuffix(".[key]") or "the file"
        reason = first["msg"].removeprefix("Value error, ")
        raise ConfigError(
            f"{name}: {key}: {reason}",
            "Correct that key. The shipped files show the form.",
        ) from error


def _known(path: Path) -> str:
    names = sorted(file.stem for file in path.parent.glob("*.yaml")) if path.parent.is_dir() else []
    return f"There are: {', '.join(names)}." if names else "Check the path."
