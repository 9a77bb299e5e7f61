"""The `voxwarden` command. It starts only if the packages `agents` and `pipeline` are Voxwarden's own.

Other packages use these import names, too: `openai-agents` installs an `agents`, and the last one installed wins.
"""

import sys
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path

NAMES = ("agents", "pipeline")
REMEDY = "Install Voxwarden into a virtual environment of its own: python3 -m venv .venv"
FAILED = 3
"""The exit code of `voxwarden` for a service or an input that fails."""


def main() -> None:
    """Run the command line, or end with one line that names the foreign package."""
    if taken := next((name for name in NAMES if not is_ours(name)), None):
        owners = ", ".join(others(taken)) or "another package"
        sys.stderr.write(f"error: the import name `{taken}` belongs to {owners}, not to Voxwarden. {REMEDY}\n")
        sys.exit(FAILED)
    from agents.cli import main as start

    start()


def is_ours(name: str) -> bool:
    """Whether `import name` gives the package beside this file, and nothing has overwritten it."""
    spec = find_spec(name)
    file = Path(spec.origin) if spec and spec.origin else None
    ours = Path(__file__).resolve().parent / name / "__init__.py"
    return file is not None and file.resolve() == ours and "Voxwarden" in file.read_text("utf-8")


def others(name: str) -> list[str]:
    """The other installed distributions with a package `name`. It reads all their file lists, which takes a moment."""
    return sorted(set(packages_distributions().get(name, ())) - {"voxwarden"})
