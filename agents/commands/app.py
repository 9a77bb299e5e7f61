"""The `voxwarden` command: global options, removed commands, error output and exit codes."""

import inspect
import logging
import os
import sys
from collections.abc import Callable
from contextvars import ContextVar
from enum import IntEnum
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from typer.core import TyperGroup

from agents.commands.terminal import standard_streams, stderr
from pipeline.base import open_files, yaml_reading
from pipeline.base.errors import ConfigError, VoxwardenError
from pipeline.base.logs import LineFormatter
from pipeline.base.user_files import PREFIX
from pipeline.settings import Settings, load


class Exit(IntEnum):
    """Exit codes. Shells also expect 130 for Ctrl-C and 141 for a closed output pipe."""

    CLEAN = 0
    FLAGGED = 1
    USAGE = 2
    FAILED = 3
    UNVERIFIED = 5  # 4 is a worker that halts: `agents/loop/`


EXIT_CODES = (
    "Exit codes: 0 done, 1 flagged (only with --fail-on), 2 wrong usage or settings, 3 an input or a service failed, "
    "130 Ctrl-C, 141 the reader of the output has ended."
)


LEVELS = ("unheard", "review", "block")
"""The results for which `--fail-on` can exit with 1, from the mildest to the worst."""


def exit_of(result: str | None, fail_on: str | None) -> Exit:
    """Return FLAGGED if the result is at least as severe as the level `fail_on`."""
    return Exit.FLAGGED if fail_on and result in LEVELS[LEVELS.index(fail_on) :] else Exit.CLEAN


# What to use instead, by command. A group stands for every command in it.
REMEDIES = {
    "accounts list": "Use the console's page Accounts.",
    "accounts role": "Use the console's page Accounts.",
    "accounts disable": "Use the console's page Accounts.",
    "accounts enable": "Use the console's page Accounts.",
    "assess open": "Use the console's page Assessment, Reports.",
    "assess list": "Use the console's page Assessment, Reports.",
    "assess status": "Use the console's page Assessment, Reports.",
    "assess answer": "Use the console's page Assessment, Form of article 5.",
    "assess hazard": "Use the console's page Assessment, Hazards.",
    "assess register": "Use the console's page Assessment, Register.",
    "assess trigger": "Use the console's page Assessment, Triggers.",
    "assess drill list": "Use the console's page Assessment, Drills.",
    "assess drill show": "Use the console's page Assessment, Drills.",
    "assess drill stop": "Use the console's page Assessment, Drills.",
    "coverage": "Use the metric voxwarden_coverage_utterances_total; the operations dashboard shows it.",
    "fingerprints list": "Use the console's page Policies, Banned recordings.",
    "fingerprints remove": "Use the console's page Policies, Banned recordings.",
    "lexicon": "Use `voxwarden config check`, which also checks all lexicons.",
    "retention hold": "Use the console's page Retention.",
    "retention release": "Use the console's page Retention.",
    "retention holds": "Use the console's page Retention.",
    "tokens list": "Use the console's page Accounts, Tokens.",
    "tokens revoke": "Use the console's page Accounts, Tokens.",
}


class CommandGroup(TyperGroup):
    """A group of commands that knows the removed ones."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Raises ConfigError for a removed command. Other unknown commands are errors of click."""
        names = [args[0]]
        at = ctx
        while at.parent is not None:
            names.insert(0, str(at.info_name))
            at = at.parent
        if remedy := REMEDIES.get(" ".join(names)):
            raise ConfigError(f"There is no command `voxwarden {' '.join(names)}` any more", remedy)
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=CommandGroup,
    name="voxwarden",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # a traceback with local variables could show speech and secrets
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EXIT_CODES,
)


def add_group(name: str, about: str, parent: typer.Typer = app) -> typer.Typer:
    """Return a new group of commands. `about` is its help."""
    made = typer.Typer(cls=CommandGroup, no_args_is_help=True, help=about, rich_markup_mode="rich")
    parent.add_typer(made, name=name)
    return made


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"voxwarden {metadata.version('voxwarden')}\n")
        raise typer.Exit


@app.callback()
def options(
    ctx: typer.Context,
    config: Annotated[
        Path | None, typer.Option(help="Settings file (YAML). Default: VOXWARDEN_CONFIG, or else the shipped file.")
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change one setting, e.g. asr.model=small. Repeat it for more."
        ),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Write a detailed log to stderr.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Moderate live voice rooms: transcribe speech, and flag what breaks the rules.

    Examples:
      voxwarden demo               moderate two small rooms as if they were live
      voxwarden moderate call.wav  moderate a recording
      voxwarden run                moderate live rooms on one machine
      voxwarden doctor             check what this machine lacks
    """
    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter())
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, handlers=[handler])
    if not verbose:  # the library logs every attempt to connect; our error reports it once
        logging.getLogger("kafka").setLevel(logging.CRITICAL)
    open_files.raise_limit()
    if config:
        os.environ[PREFIX + "CONFIG"] = str(config)  # the processes of `worker all` inherit it
    ctx.obj = overrides_of(assignments or [])


def overrides_of(assignments: list[str]) -> dict[str, Any]:
    """Return `["asr.model=small"]` as `{"asr": {"model": "small"}}`. Lists, mappings and null are YAML.

    Raises ConfigError for an assignment that cannot be read.
    """
    tree: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals:
            raise ConfigError(f"--set {assignment} has no '='", "Write it as --set asr.model=small.")
        *sections, name = key.split(".")
        branch = tree
        for section in sections:
            branch = branch_of(branch, section)
        found = yaml_reading.parse_yaml(value, f"--set {key}")
        # Numbers stay text, as in the environment: only the setting knows whether 2024 is a number or a name.
        branch[name] = found if isinstance(found, str | list | dict | None) else value
    return tree


def branch_of(tree: dict[str, Any], section: str) -> dict[str, Any]:
    """Return the settings below `section` of `tree`; you may change them in place.

    Raises ConfigError if it is no section.
    """
    branch = tree.setdefault(section, {})
    if not isinstance(branch, dict):
        raise ConfigError(
            f"--set {section}={branch}: {section} is a section", f"Write it as --set {section}.KEY=VALUE."
        )
    return branch


def settings_of(ctx: typer.Context) -> Settings:
    """Return the settings. Raises ConfigError for a wrong setting."""
    root = ctx.find_root()  # read late: help, and commands without settings, work with a broken file
    if not isinstance(root.obj, Settings):
        root.obj = load(root.obj)
    return root.obj


def with_options(settings: Settings, section: str, **options: object) -> Settings:
    """Return the settings with the values of a command's options in `section`. None: the option is not given."""
    given = {name: value for name, value in options.items() if value is not None}
    # `model_copy` checks nothing: Typer has checked the limits of the options.
    return settings.model_copy(update={section: getattr(settings, section).model_copy(update=given)})


EXPLAIN: ContextVar[Callable[[object], str]] = ContextVar("explain", default=str)
"""Returns the text of an error in the language of this run."""


def say_error(error: object) -> None:
    """Print an error as one line on stderr."""
    stderr.print(f"[bold red]error:[/] {escape(EXPLAIN.get()(error))}", soft_wrap=True, highlight=False)


def complete_help(group: typer.Typer) -> None:
    """Finish the help of every command: reflow its paragraphs to the terminal and append the exit codes."""
    for command in group.registered_commands:
        command.epilog = command.epilog or EXIT_CODES
        command.help = _reflowed(command.help or inspect.getdoc(command.callback) or "")
    for inner in group.registered_groups:
        if inner.typer_instance:
            complete_help(inner.typer_instance)


def _reflowed(text: str) -> str:
    """Join each paragraph into one line. A paragraph with indented examples stays as it is."""
    paragraphs = text.split("\n\n")
    return "\n\n".join(each if "\n  " in each else " ".join(each.split("\n")) for each in paragraphs)


def main() -> None:
    """Run the command line. An error is one line that says what is wrong and what to do."""
    with standard_streams():
        _run()


def _run() -> None:
    try:
        try:
            app()
        finally:
            sys.stdout.flush()  # here, where an error of the last write still becomes one line
    except VoxwardenError as error:
        say_error(error)
        sys.exit(Exit.USAGE if isinstance(error, ConfigError) else Exit.FAILED)
    except Exception as error:
        if isinstance(error, OSError) and error.filename:  # a file or a folder of the user, anywhere in a command
            say_error(f"{error.filename}: {error.strerror}. Name another place, or give it to this user.")
        else:
            log = logging.getLogger(__name__)
            log.exception("This is a bug in Voxwarden. Please report it with the following text")
        sys.exit(Exit.FAILED)  # Python would exit with 1, which means flagged


def warn_unknown(settings: Settings, room_type: str) -> None:
    """Warn on stderr if the policy has no own rules for `room_type`. Raises ConfigError for a broken policy."""
    from pipeline.judge import labels, moderation_policy
    from pipeline.judge.rule_warnings import unknown_room_type

    book = moderation_policy.load_policy(settings.judge.policy, labels.load_labels(settings.judge.labels))
    if warning := unknown_room_type(book.policy, room_type):
        stderr.print(f"[yellow]warning:[/] {escape(warning)}", highlight=False, soft_wrap=True)
