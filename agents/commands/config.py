"""`voxwarden config`: show and check the settings."""

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

from agents.commands.app import add_group, settings_of
from agents.commands.terminal import stderr, stdout
from pipeline.base.errors import ConfigError
from pipeline.base.url_secrets import without_secrets
from pipeline.base.user_files import config_file
from pipeline.settings import in_file, origin_of

config = add_group("config", "Show and check the settings.")

Form = Literal["table", "json", "yaml"]

PIPED_WIDTH = 1_000  # width of a table in columns if the output is not a terminal


class SettingRow(NamedTuple):
    """One setting as `config show` prints it."""

    key: str
    value: Any
    origin: str
    meaning: str


@config.command()
def show(
    ctx: typer.Context,
    changed: Annotated[bool, typer.Option("--changed", help="Only settings that differ from the defaults.")] = False,
    form: Annotated[
        Form, typer.Option("--format", help="table has all columns; json and yaml have only the values.")
    ] = "table",
) -> None:
    """Print every setting with its value, its source and its meaning. Secrets stay hidden.

    Use it to see which value applies: the default, a file, the environment or --set.

    Examples:
      voxwarden config show --changed
      voxwarden config show --format yaml > settings.yaml
    """
    flags = ctx.find_root().obj  # before `settings_of`, which puts the settings in their place
    settings, content = settings_of(ctx), in_file()
    shown = [
        SettingRow(key, value, origin, meaning)
        for key, value, meaning in rows(settings)
        if (origin := origin_of(key, flags, content)) != "default" or not changed
    ]
    if form == "table":
        (stdout if stdout.is_terminal else Console(width=PIPED_WIDTH)).print(_table(shown))
    else:
        sys.stdout.write(_written(tree_of(shown), form))


@config.command("check")
def check_config(ctx: typer.Context) -> None:
    """Check the settings, the policy, labels and lexicons that they name, and all languages.

    Use it before you deploy a change. An error is printed as one line, and the exit code is 2. Doubtful settings give
    warnings. If everything is right, the command prints only `ok`.

    Example:
      voxwarden --config mine.yaml config check
    """
    from pipeline.console.console_texts import Texts
    from pipeline.judge.judge_stage import read_config as check_judge
    from pipeline.judge.rule_warnings import find_warnings
    from pipeline.speech import languages

    settings = settings_of(ctx)
    if settings.listen.yamnet and not settings.listen.yamnet.is_file():
        raise ConfigError(
            f"listen.yamnet: there is no file {settings.listen.yamnet}", "docs/sounds.md says how to get it."
        )
    languages.check_language_files()
    Texts()  # raises for a mistake in a catalogue of the console
    for doubt in find_warnings(settings, check_judge(settings.judge)):
        stderr.print(f"[yellow]warning:[/] {escape(doubt)}", highlight=False, soft_wrap=True)
    stderr.print(f"[green]ok[/]: {config_file()}", highlight=False)


def rows(section: BaseModel, prefix: str = "") -> Iterator[tuple[str, Any, str]]:
    """Yield each setting as (key, value, meaning)."""
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from rows(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value, field.description or ""


def tree_of(shown: Iterable[SettingRow]) -> dict[str, Any]:
    """Return the rows as nested mappings of plain values. A secret is `**********`."""
    tree: dict[str, Any] = {}
    for row in shown:
        *sections, name = row.key.split(".")
        branch = tree
        for section in sections:
            branch = branch.setdefault(section, {})
        branch[name] = _plain(row.value)
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
        table.add_row(row.key, escape(_value(row.value)), escape(origin), escape(row.meaning), style=style)
    return table


def _plain(value: Any) -> Any:
    plain = to_jsonable_python(value)
    return without_secrets(plain) if isinstance(plain, str) else plain


def _value(value: Any) -> str:
    """The value as `--set` and a settings file take it."""
    plain = _plain(value)
    if plain is None:
        return "unset"
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)
