"""The `voxwarden` command: global options, how errors look, and exit codes."""

import logging
import os
import sys
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from pipeline import yamlfiles
from pipeline.errors import ConfigError, VoxwardenError
from pipeline.settings import PREFIX, Settings, load


class Exit(IntEnum):
    """Exit codes. Ctrl-C is 130, as shells expect."""

    CLEAN = 0
    FLAGGED = 1
    USAGE = 2
    FAILED = 3


stdout = Console()
"""Results, and nothing else."""
stderr = Console(stderr=True)
"""Progress, notes and errors."""

app = typer.Typer(
    name="voxwarden",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 clean, 1 flagged (with --fail-on), 2 wrong usage or settings, 3 some inputs failed.",
)


@app.callback()
def options(
    ctx: typer.Context,
    config: Annotated[
        Path | None, typer.Option(help="YAML file of settings; else VOXWARDEN_CONFIG, else the shipped one.")
    ] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="One setting, e.g. asr.model=small.")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what happens, to stderr.")] = False,
) -> None:
    """Moderation for live voice rooms: speech in, flags out.

    Examples:
      voxwarden demo               two small rooms, as if live
      voxwarden moderate call.wav  a recording
      voxwarden run                live rooms on one machine
      voxwarden doctor             what this machine lacks
    """
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    if not verbose:  # it says the same of each try to connect; our error says it once
        logging.getLogger("kafka").setLevel(logging.CRITICAL)
    if config:
        os.environ[PREFIX + "CONFIG"] = str(config)
    ctx.obj = overrides_of(assignments or [])


def overrides_of(assignments: list[str]) -> dict[str, Any]:
    """`["asr.model=small"]` as `{"asr": {"model": "small"}}`; lists, mappings and null are YAML."""
    tree: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals:
            raise ConfigError(f"--set {assignment} has no '='", "Write it as --set asr.model=small.")
        *sections, name = key.split(".")
        branch = tree
        for section in sections:
            branch = branch_of(branch, section)
        found = yamlfiles.parse(value, f"--set {key}")
        # Only the setting knows whether 2024 is a number or a name: so it is from the environment, too.
        branch[name] = found if isinstance(found, str | list | dict | None) else value
    return tree


def branch_of(tree: dict[str, Any], section: str) -> dict[str, Any]:
    """The settings below `section` of `tree`, to be changed in place."""
    branch = tree.setdefault(section, {})
    if not isinstance(branch, dict):
        raise ConfigError(
            f"--set {section}={branch}: {section} is a section", f"Write it as --set {section}.KEY=VALUE."
        )
    return branch


def settings_of(ctx: typer.Context) -> Settings:
    """The settings, read when a command first needs them."""
    root = ctx.find_root()
    if not isinstance(root.obj, Settings):
        root.obj = load(root.obj)
    return root.obj


def main() -> None:
    """Run the command line; an error is one line that says what is wrong and what to do."""
    try:
        app()
    except VoxwardenError as error:
        stderr.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True, highlight=False)
        sys.exit(Exit.USAGE if isinstance(error, ConfigError) else Exit.FAILED)
    except Exception:
        logging.getLogger(__name__).exception("A fault of Voxwarden itself; please report it with what follows")
        sys.exit(Exit.FAILED)  # Python's own would be 1, which means flagged
