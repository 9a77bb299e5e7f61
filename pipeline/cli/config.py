"""`voxwarden config`: which settings hold, and where each came from."""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import typer
import yaml
from pydantic import BaseModel
from pydantic_core import to_jsonable_python
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.cli.app import app, settings_of, stderr, stdout
from pipeline.configuration import config_file
from pipeline.settings import origin_of

config = typer.Typer(no_args_is_help=True, help="Show and check the settings.")
app.add_typer(config, name="config")

Form = Literal["table", "json", "yaml"]

PIPED_WIDTH = 1_000
"""Columns of a table that no terminal limits."""


class SettingRow(NamedTuple):
    """One setting as it is shown."""

    key: str
    value: Any
    origin: str
    meaning: str


@config.command()
def show(
    ctx: typer.Context,
    changed: Annotated[bool, typer.Option("--changed", help="Only what differs from the defaults.")] = False,
    form: Annotated[Form, typer.Option("--format", help="json and yaml: the values only.")] = "table",
) -> None:
    """Print every setting, its value, where that came from, and what it means. Secrets stay hidden."""
    flags = ctx.find_root().obj
    settings = settings_of(ctx)
    shown = [
        SettingRow(key, value, origin, meaning)
        for key, value, meaning in rows(settings)
        if (origin := origin_of(key, flags)) != "default" or not changed
    ]
    if form == "table":
        (stdout if stdout.is_terminal else Console(width=PIPED_WIDTH)).print(_table(shown))
    else:
        sys.stdout.write(_written(tree_of(shown), form))


@config.command()
def check(ctx: typer.Context) -> None:
    """Read the settings, the policy, labels and lexicons that they name, and all languages.

    Prints what is wrong or doubtful, or only `ok`.
    """
    from pipeline import languages
    from pipeline.console.texts import Texts
    from pipeline.judge.doubts import doubts
    from pipeline.judge.judge import check as check_judge

    settings = settings_of(ctx)
    languages.check()
    Texts()
    for doubt in doubts(settings, check_judge(settings.judge)):
        stderr.print(f"[yellow]warning:[/] {escape(doubt)}", highlight=False, soft_wrap=True)
    stderr.print(f"[green]ok[/]: {config_file()}", highlight=False)


def rows(section: BaseModel, prefix: str = "") -> Iterator[tuple[str, Any, str]]:
    """Each leaf as (key, value, meaning)."""
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from rows(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value, field.description or ""


def tree_of(shown: Iterable[SettingRow]) -> dict[str, Any]:
    """The rows as nested mappings of plain values; a secret is `**********`."""
    tree: dict[str, Any] = {}
    for row in shown:
        *sections, name = row.key.split(".")
        branch = tree
        for section in sections:
            branch = branch.setdefault(section, {})
        branch[name] = to_jsonable_python(row.value)
    return tree


def _written(tree: dict[str, Any], form: Form) -> str:
    if form == "json":
        return json.dumps(tree, ensure_ascii=False, indent=2) + "\n"
    return str(yaml.safe_dump(tree, allow_unicode=True, sort_keys=False))


def _table(shown: Iterable[SettingRow]) -> Table:
    table = Table("key", "value", "from", "meaning", box=None, pad_edge=False)
    for row in shown:
        origin = Path(row.origin).name if "/" in row.origin else row.origin
        style = "bold" if row.origin != "default" else ""
        table.add_row(row.key, escape(str(row.value)), escape(origin), escape(row.meaning), style=style)
    return table
