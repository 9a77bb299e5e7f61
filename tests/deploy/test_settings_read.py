"""Which settings each role reads. The chart restarts only the pods that read a changed setting."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.settings_read import PACKAGES, SERVED, sections_by_role
from tests.deploy.files import ROOT

NAMES = {"settings", "_settings", "_"}
"""What a variable with all settings is called. The search looks for these names."""


@pytest.fixture(scope="module")
def sections() -> dict[str, list[str]]:
    return sections_by_role()


def test_the_gateway_reads_no_policy(sections: dict[str, list[str]]) -> None:
    assert sections["gateway"] == ["kafka", "gateway", "metrics"]


def test_only_what_a_stage_uses_is_counted(sections: dict[str, list[str]]) -> None:
    assert "judge" in sections["judge"]
    assert "judge" not in sections["transcribe"]
    assert "evidence" in sections["deliver"]
    assert "evidence" not in sections["judge"]


def test_the_commands_import_the_modules_of_each_role() -> None:
    commands = (ROOT / "agents" / "commands" / "servers.py").read_text("utf-8")
    assert [each for modules in SERVED.values() for each in modules if f"from {each} import" not in commands] == []


def test_all_settings_have_a_name_that_the_search_finds() -> None:
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    wrong = [f"{path.relative_to(ROOT)}: {name}" for path in files for name in _called(path) if name not in NAMES]
    assert wrong == []


def _called(path: Path) -> Iterator[str]:
    """The names of arguments and variables with the type Settings."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.arg) and _is_settings(node.annotation):
            yield node.arg
        elif isinstance(node, ast.AnnAssign) and _is_settings(node.annotation):
            yield ast.unparse(node.target).rpartition(".")[2]


def _is_settings(annotation: ast.expr | None) -> bool:
    return annotation is not None and ast.unparse(annotation).strip("'\"") == "Settings"
