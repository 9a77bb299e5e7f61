"""What the commands of the assessment share: the language of their lines, the author, times and dates.

A line is written in English where it is printed. `assess_zh.yaml` maps it to Chinese.
"""

import os
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape

from agents.commands.app import stderr, stdout
from agents.commands.store_access import actor
from pipeline.base import yaml_reading
from pipeline.base.errors import InputError

Language = Literal["zh", "en"]
CHOSEN: ContextVar[Language] = ContextVar("language", default="en")
VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")
"""The environment's language. The first one that is set wins, as in other programs."""

By = Annotated[
    str | None, typer.Option("--by", help="Your name, for the record. Default: the user of the operating system.")
]


def choose(chosen: Language | None) -> None:
    """Set the language of all lines of this run. None: that of the environment."""
    CHOSEN.set(chosen or of_environment(os.environ))


def of_environment(variables: Mapping[str, str]) -> Language:
    """Return zh if the environment is Chinese, else en."""
    named = next((variables[name] for name in VARIABLES if variables.get(name)), "")
    return "zh" if named.lower().startswith("zh") else "en"


def language() -> Language:
    """Return the language of this run."""
    return CHOSEN.get()


def said(text: str, **values: object) -> str:
    """Return an English text in the language of this run, with its values."""
    return (chinese().get(text, text) if language() == "zh" else text).format(**values)


@cache
def chinese() -> Mapping[str, str]:
    """Return the Chinese texts by the English ones."""
    found: dict[str, str] = yaml_reading.read_yaml(Path(__file__).with_name("assess_zh.yaml"))
    return found


def author(by: str | None) -> str:
    """Return the name for the record."""
    return by.strip() if by and by.strip() else actor()


def say(text: str, **values: object) -> None:
    """Print an English text in the language of this run."""
    show(said(text, **values))


def show(text: str) -> None:
    """Print a line as it is."""
    stdout.print(escape(text.rstrip()), soft_wrap=True, highlight=False)


def warn(text: str, **values: object) -> None:
    """Print a warning on stderr, in the language of this run."""
    stderr.print(f"[yellow]{said('warning:')}[/] {escape(said(text, **values))}", soft_wrap=True, highlight=False)


def when(at: float | None) -> str:
    """Return UTC seconds as a time to the minute; `-` for none."""
    return "-" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")


def day(text: str | None, option: str) -> date | None:
    """Return an ISO date. Raises InputError, which names the option."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise InputError(f"{option} {text} is not a date", "Write it as 2026-01-31.") from error
