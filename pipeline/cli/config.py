"""`voxwarden config`: which settings hold, and where each came from."""

import os
from collections.abc import Iterator
from typing import Annotated, Any

import typer
import yaml
from pydantic import BaseModel
from rich.table import Table

from pipeline.cli.app import app, settings_of, stderr, stdout
from pipeline.settings import PREFIX, Settings, config_file

config = typer.Typer(no_args_is_help=True, help="Show and check the settings.")
app.add_typer(config, name="config")


@config.command()
def show(
    ctx: typer.Context,
    changed: Annotated[bool, typer.Option("--changed", help="Only what differs from the defaults.")] = False,
) -> None:
    """Print every setting, its value, where that came from, and what it means. Secrets stay hidden."""
    overrides = ctx.find_root().obj
    settings = settings_of(ctx)
    table = Table("key", "value", "from", "meaning", box=None, pad_edge=False)
    for key, value, meaning in rows(settings):
        origin = origin_of(key, overrides)
        if not (changed and origin == "default"):
            table.add_row(key, str(value), origin, meaning, style="bold" if origin != "default" else "")
    stdout.print(table)


@config.command()
def check(ctx: typer.Context) -> None:
    """Read the settings with the policy, labels and lexicons they name; say what is wrong, or nothing but `ok`."""
    from pipeline.judge.judge import check as check_judge

    settings = settings_of(ctx)
    check_judge(settings.judge)
    stderr.print(f"[green]ok[/]: {config_file()}", highlight=False)


def rows(section: BaseModel, prefix: str = "") -> Iterator[tuple[str, Any, str]]:
    """Each leaf as (key, value, meaning)."""
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from rows(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value, field.description or ""


def origin_of(key: str, overrides: dict[str, Any] | Settings) -> str:
    """The first source that holds `key`, in order of precedence."""
    path = key.split(".")
    if isinstance(overrides, dict) and holds(overrides, path):
        return "flag"
    if PREFIX + "__".join(path).upper() in {name.upper() for name in os.environ}:
        return "environment"
    if holds(yaml.safe_load(config_file().read_text("utf-8")) or {}, path):
        return config_file().name
    return "default"


def holds(tree: Any, path: list[str]) -> bool:
    for name in path:
        if not isinstance(tree, dict) or name not in tree:
            return False
        tree = tree[name]
    return True
