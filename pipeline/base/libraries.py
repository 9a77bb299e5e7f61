"""The libraries beside Voxwarden: the ones that run models, optional ones, and their data files.

The slim install (deploy/requirements-slim.txt) has only `ctranslate2` to run models.
"""

import gc
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, requires, version
from importlib.util import find_spec
from pathlib import Path

from pipeline.base.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ModelLibrary:
    """A library that runs models."""

    modules: tuple[str, ...]
    """The modules that it needs and that a slim install may not have."""
    install: str
    """The command that installs them."""
    full: bool = True
    """Whether `make run FULL=1` installs them, too."""


# Libraries by the name of the package.
LIBRARIES: Mapping[str, ModelLibrary] = {
    "ai-edge-litert": ModelLibrary(("ai_edge_litert",), "pip install ai-edge-litert", full=False),
    "ctranslate2": ModelLibrary(("ctranslate2",), "pip install ctranslate2"),
    # A slim install has the package without its dependencies. pip then adds the dependencies.
    "openai-whisper": ModelLibrary(("whisper", "torch", "numba", "tiktoken"), "pip install openai-whisper"),
    "transformers": ModelLibrary(("transformers", "torch"), "pip install transformers torch"),
    # It reads the classifier's weights for a GPU.
    "onnx": ModelLibrary(("onnx",), "pip install onnx"),
}


def missing_modules(library: str) -> list[str]:
    """The modules that `library` needs and that are not installed. Nothing is imported."""
    return [module for module in LIBRARIES[library].modules if find_spec(module) is None]


def require(library: str, setting: str) -> None:
    """Raise ConfigError, which names `setting` and the install command, if `library` cannot run here."""
    if missing := missing_modules(library):
        known = LIBRARIES[library]
        everything = ", or everything in a checkout with `make run FULL=1`" if known.full else ""
        raise ConfigError(
            f"{setting} needs {' and '.join(missing)}, which this install does not have",
            f"Install with `{known.install}`{everything}.",
        )


def installed(library: str) -> str:
    """`library` with its version, or with the command that installs it."""
    if missing_modules(library):
        return f"no {library} (`{LIBRARIES[library].install}`)"
    return f"{library} {version(library)}"


def data_file(package: str, path: str) -> Path | None:
    """The file `path`, relative to site-packages, of `package`; None if the package or the file is not installed."""
    try:  # without an import of the package, because some import PyTorch
        file = Path(str(distribution(package).locate_file(path)))
    except PackageNotFoundError:
        return None
    return file if file.is_file() else None


def install_extra(extra: str) -> str:
    """The command that installs the packages of an extra of pyproject.toml.

    It names the packages, not `voxwarden[EXTRA]`: no package index has Voxwarden. In a slim install it leaves PyTorch
    out.
    """
    mark = f"; extra == '{extra}'"
    packages = [each.removesuffix(mark) for each in requires("voxwarden") or () if each.endswith(mark)]
    return f"pip install {shlex.join(packages)}"


@contextmanager
def importing(extra: str) -> Iterator[None]:
    """Import libraries of an extra in the block. Raises ConfigError if one is not installed."""
    try:
        with without_collection():
            yield
    except ModuleNotFoundError as error:
        raise ConfigError(f"{error.name} is not installed", f"Install it: {install_extra(extra)}.") from error


@contextmanager
def without_collection() -> Iterator[None]:
    """Search for no cyclic garbage while the block runs."""
    was_on = gc.isenabled()
    gc.disable()  # an import makes no such garbage, and the search would take a fifth of its time
    try:
        yield
    finally:
        if was_on:
            gc.enable()
