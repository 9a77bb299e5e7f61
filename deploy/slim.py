"""Print deploy/requirements-slim.txt: every package of a run without PyTorch, in the versions of constraints.txt.

Run it by `make slim`, in an environment with everything installed: the packages themselves say what they need.
"""

import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
EXTRAS = ("weights", "console")
# One data file of each is read, and none of its code runs: it is installed without its dependencies.
DATA_ONLY = {"openai-whisper", "silero-vad"}
# Only a GPU needs onnx, and only a GPU or a `judge.model` that is not in ONNX needs transformers. Without hf-xet, the
# hub's files come by plain HTTP.
LEFT_OUT = {"onnx", "transformers", "hf-xet"}
# One file for all machines: a package that only some of them need is in it, too.
MACHINES = [
    {"python_version": python, "python_full_version": f"{python}.0", "platform_machine": machine}
    for python in ("3.11", "3.12", "3.13")
    for machine in ("x86_64", "aarch64")
]
HEAD = """\
# What `make run` and the image install without PyTorch; `make slim` writes this file from constraints.txt.
# Install it with --no-deps: openai-whisper and silero-vad ask for PyTorch, but only a data file of each is read.
"""


def main() -> None:
    """Write the file to standard output."""
    sys.stdout.write(HEAD + "".join(f"{name}=={version}\n" for name, version in slim().items()))


def slim(extras: Iterable[str] = EXTRAS) -> dict[str, str]:
    """The version of each package, by name. Raises KeyError for a package that constraints.txt lacks."""
    pinned = _pinned()
    return {name: pinned[name] for name in sorted({name for name, _ in collected(extras)})}


def collected(extras: Iterable[str]) -> set[tuple[str, str]]:
    """Each package with each of its extras that is used; "" stands for the package itself."""
    found: set[tuple[str, str]] = set()
    for requirement in listed(extras):
        _collect(requirement, found)
    return found


def listed(extras: Iterable[str]) -> list[Requirement]:
    """What pyproject.toml asks for, with these extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    chosen = [each for extra in extras for each in project["optional-dependencies"][extra]]
    return [Requirement(each) for each in project["dependencies"] + chosen]


def _collect(requirement: Requirement, found: set[tuple[str, str]]) -> None:
    """Add the package and all that it needs to `found`, which holds (name, extra) pairs."""
    name = canonicalize_name(requirement.name)
    for extra in {"", *requirement.extras} if name not in LEFT_OUT else ():
        if (name, extra) not in found:  # also ends circles: some packages need each other
            found.add((name, extra))
            for needed in needs(name, extra):
                _collect(needed, found)


def needs(name: str, extra: str) -> Iterator[Requirement]:
    """What an installed package needs on one of MACHINES at least."""
    if name in DATA_ONLY:
        return
    for needed in map(Requirement, requires(name) or ()):
        if needed.marker is None or any(needed.marker.evaluate(machine | {"extra": extra}) for machine in MACHINES):
            yield needed


def _pinned() -> dict[str, str]:
    text = (ROOT / "constraints.txt").read_text("utf-8")
    return dict(re.findall(r"^([\w.-]+)==(\S+)$", text, re.MULTILINE))


if __name__ == "__main__":
    main()
