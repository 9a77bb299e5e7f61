"""Every `voxwarden` command that the pages name exists."""

import re
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from agents.commands.command_line import app
from tests.docs.pages import PAGES

COMMAND = re.compile(
    r"(?:`|^ {4,}|\| )voxwarden(?: --set (?:[^\s']|'[^']*')+)* ([a-z][a-z-]+)(?: ([a-z][a-z-]+))?", re.MULTILINE
)
"""In code: after a backtick, in an indented line, or behind a pipe."""

MANUALS = [page for page in PAGES if page.name != "CHANGELOG.md"]
"""The changelog also names what is gone."""


def exists(name: str, then: str) -> bool:
    """Whether there is a command, or a group with the command `then`."""
    found = typer.main.get_group(app).commands.get(name)
    return then in found.commands if isinstance(found, TyperGroup) and then else found is not None


@pytest.mark.parametrize("page", MANUALS, ids=lambda page: page.stem)
def test_every_command_exists(page: Path) -> None:
    named = set(COMMAND.findall(page.read_text("utf-8")))
    assert sorted(found for found in named if not exists(*found)) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("    voxwarden cases list --follow", True),
        ("    voxwarden --set 'a.b=[c, d]' --set e='[f, g]' run", True),
        ("`voxwarden moderate FILE…`", True),
        ("`voxwarden moderete`", False),
        ("`voxwarden cases gone`", False),
    ],
)
def test_a_command_that_is_gone_is_found(text: str, found: bool) -> None:
    [named] = COMMAND.findall(text)
    assert exists(*named) is found
