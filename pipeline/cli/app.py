"""The `voxwarden` command: global options, how errors look, and exit codes."""

import inspect
import logging
import os
import sys
from enum import IntEnum, StrEnum
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from pipeline import yamlfiles
from pipeline.cli.streams import standard_streams
from pipeline.cli.terminal import console
from pipeline.configuration import PREFIX
from pipeline.errors import ConfigError, VoxwardenError
from pipeline.settings import Settings, load


class Exit(IntEnum):
    """Exit codes. Ctrl-C is 130 and a closed output pipe 141, as shells expect."""

    CLEAN = 0
    FLAGGED = 1
    USAGE = 2
    FAILED = 3


EXIT_CODES = (
    "Exit codes: 0 done, 1 flagged (only with --fail-on), 2 wrong usage or settings, 3 an input or a service failed, "
    "130 Ctrl-C, 141 whoever read the output has closed it."
)


class FailOn(StrEnum):
    """The mildest suggestion that `--fail-on` ends with 1 for."""

    REVIEW = "review"
    BLOCK = "block"

    def holds_for(self, suggestion: str | None) -> bool:
        return suggestion in {FailOn.BLOCK, self}


stdout = console()
"""Results, and nothing else."""
stderr = console(stderr=True)
"""Progress, notes and errors."""

app = typer.Typer(
    name="voxwarden",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EXIT_CODES,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"voxwarden {metadata.version('voxwarden')}\n")
        raise typer.Exit


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
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
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


def with_policy(settings: Settings, policy: str | None) -> Settings:
    """The settings with that policy, by name or path, instead of `judge.policy`."""
    if not policy:
        return settings
    return settings.model_copy(update={"judge": settings.judge.model_copy(update={"policy": policy})})


def say_error(error: object) -> None:
    """One line on stderr."""
    stderr.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True, highlight=False)


def complete_help(group: typer.Typer) -> None:
    """For every command: paragraphs as wide as the terminal, and the exit codes at the end."""
    for command in group.registered_commands:
        command.epilog = command.epilog or EXIT_CODES
        command.help = _reflowed(command.help or inspect.getdoc(command.callback) or "")
    for inner in group.registered_groups:
        if inner.typer_instance:
            complete_help(inner.typer_instance)


def _reflowed(text: str) -> str:
    """Paragraphs on one line each; one with examples, which are indented, as it is."""
    paragraphs = text.split("\n\n")
    return "\n\n".join(each if "\n  " in each else " ".join(each.split("\n")) for each in paragraphs)


def main() -> None:
    """Run the command line; an error is one line that says what is wrong and what to do."""
    with standard_streams():
        _run()


def _run() -> None:
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except VoxwardenError as error:
        say_error(error)
        sys.exit(Exit.USAGE if isinstance(error, ConfigError) else Exit.FAILED)
    except Exception:
        logging.getLogger(__name__).exception("A fault of Voxwarden itself; please report it with what follows")
        sys.exit(Exit.FAILED)  # Python's own would be 1, which means flagged
