"""Every module that the pages run with `python -m` exists, and every file of the code that they name."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.deploy.files import ROOT
from tests.docs.pages import PAGES

MODULE = re.compile(r"python -m ((?:agents|benchmarks|deploy|pipeline|tests|training)(?:\.\w+)*)")
PATH = re.compile(r"`((?:agents|benchmarks|pipeline|tests|training)/[a-z0-9_./-]+)`")
CARDS = [ROOT / "pipeline" / part / "README.md" for part in ("judge/model", "sound/music_model")]


def runs(module: str) -> bool:
    """Whether `python -m` finds it: a module, or a package with `__main__`."""
    try:
        found = find_spec(module)
    except ModuleNotFoundError:
        return False
    return found is not None and (not found.submodule_search_locations or find_spec(f"{module}.__main__") is not None)


@pytest.mark.parametrize("page", [*PAGES, *CARDS], ids=lambda page: str(page.relative_to(ROOT)))
def test_every_module_runs(page: Path) -> None:
    named = set(MODULE.findall(page.read_text("utf-8")))
    assert [module for module in sorted(named) if not runs(module)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_named_file_exists(page: Path) -> None:
    named = set(PATH.findall(page.read_text("utf-8")))
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize(
    ("module", "found"),
    [
        ("benchmarks.asr", True),
        ("benchmarks.chaos", True),
        ("benchmarks.gone", False),
        ("gone.asr", False),
        ("benchmarks.judging", False),
    ],
)
def test_a_module_that_is_gone_is_found(module: str, found: bool) -> None:
    assert runs(module) is found
