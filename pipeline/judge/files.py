"""YAML that people write: policies, lexicons, labels. A mistake is named with its file and key."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline import yamlfiles
from pipeline.errors import ConfigError
from pipeline.settings import configs_folder

M = TypeVar("M", bound=BaseModel)


class Sheet(BaseModel):
    """A part of such a file. Unknown keys are errors, so a typo never passes for a rule."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def shipped(folder: str, name: str) -> Path:
    """The file that `name` means: a path, or a name in `configs/<folder>`."""
    if "/" in name or name.endswith((".yaml", ".yml")):
        return Path(name)
    return configs_folder() / folder / f"{name}.yaml"


def read(path: Path, kind: type[M]) -> M:
    """Read `path` as a `kind`; raises ConfigError."""
    try:
        return kind.model_validate(yamlfiles.read(path, _known(path)) or {})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        key = ".".join(map(str, first["loc"])).removesuffix(".[key]") or "the file"
        said = first["msg"].removeprefix("Value error, ")
        raise ConfigError(
            f"{path}: {key}: {said}",
            "Correct that key; the shipped files show the form.",
        ) from error


def _known(path: Path) -> str:
    names = sorted(file.stem for file in path.parent.glob("*.yaml")) if path.parent.is_dir() else []
    return f"There are: {', '.join(names)}." if names else "Check the path."
