"""The libraries that run models. The slim install (deploy/requirements-slim.txt) brings only `ctranslate2`."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec

from pipeline.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ModelLibrary:
    """A library that runs models."""

    modules: tuple[str, ...]
    """All modules that it needs and a slim install may lack."""
    install: str
    """The command that installs them."""


LIBRARIES: Mapping[str, ModelLibrary] = {
    "ctranslate2": ModelLibrary(("ctranslate2",), "pip install ctranslate2"),
    # pip finds the package installed, and adds the dependencies that a slim install left out.
    "openai-whisper": ModelLibrary(("whisper", "torch", "numba", "tiktoken"), "pip install openai-whisper"),
    "transformers": ModelLibrary(("transformers", "torch"), "pip install transformers torch"),
}
"""By the name of the package."""


def missing_modules(library: str) -> list[str]:
    """The modules that `library` needs and that are not installed. Nothing is imported."""
    return [module for module in LIBRARIES[library].modules if find_spec(module) is None]


def require(library: str, setting: str) -> None:
    """Raise ConfigError, which names `setting` and the install command, if `library` cannot run here."""
    if missing := missing_modules(library):
        raise ConfigError(
            f"{setting} needs {' and '.join(missing)}, which this slim install does not have",
            f"Install with `{LIBRARIES[library].install}`, or everything in a checkout with `make run FULL=1`.",
        )


def installed(library: str) -> str:
    """`library` with its version, or with the command that installs it."""
    if missing_modules(library):
        return f"no {library} (`{LIBRARIES[library].install}`)"
    return f"{library} {version(library)}"
