"""`voxwarden policy`: check and explain the rules before you use them."""

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from agents.commands.app import Exit, add_group, settings_of, warn_unknown, with_options
from agents.commands.terminal import stderr, stdout
from pipeline.base.errors import ConfigError, InputError

policy = add_group("policy", "Check and explain the policy.")


@policy.command("check")
def check_policy(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(help="A policy by name or path. Default: judge.policy.")] = None,
) -> None:
    """Check a policy with its labels and lexicons, and print its version.

    Use it after you have edited a policy. An error names the file and the key, and the exit code is 2.

    Examples:
      voxwarden policy check
      voxwarden policy check mine.yaml
    """
    from pipeline.judge.judge_stage import read_config

    config = read_config(with_options(settings_of(ctx), "judge", policy=name or None).judge)
    stderr.print(f"[green]ok[/]: {config.policy.version}", highlight=False)


@policy.command()
def explain(
    ctx: typer.Context,
    text: Annotated[str, typer.Argument(help="The text to judge.")],
    name: Annotated[
        str | None, typer.Option("--policy", help="A policy by name or path. Default: judge.policy.")
    ] = None,
    room_type: Annotated[
        str, typer.Option(help="The type of the room, which selects rules of the policy, e.g. kids.")
    ] = "default",
) -> None:
    """Show what the policy suggests for a text, and which rules matched.

    Use it to find out why a text is flagged, or why it is not.

    Examples:
      voxwarden policy explain "add me on telegram"
      voxwarden policy explain "add me on telegram" --room-type kids --policy mine.yaml
    """
    from agents.commands.table import flag_row
    from pipeline.base.metrics import Metrics
    from pipeline.judge.judge_stage import build
    from pipeline.judge.lexicon import judged_languages, language_to_judge
    from pipeline.judge.text_transcripts import Text, judge_texts

    settings = with_options(settings_of(ctx), "judge", policy=name or None)
    warn_unknown(settings, room_type)
    judge = build(settings, Metrics())
    language = language_to_judge(text, None, judged_languages(settings.judge))
    for flag in judge_texts(judge, [Text(text, language, room_type)]):
        stdout.print(flag_row(flag, flag.policy))
        for reason in flag.reasons or ("no rule matched",):
            stdout.print(f"  {escape(reason)}", highlight=False, soft_wrap=True)
        if flag.act:
            stdout.print(f"  fit for an automatic action: {escape(', '.join(flag.act))}", highlight=False)


@policy.command()
def live(ctx: typer.Context) -> None:
    """Show the published policy that judges use, and the judges that use it.

    Use it to see whether the policy files count. If somebody has published a version in the console, that version
    counts more than the files. The exit code is 3 if a running judge does not use it.

    Example:
      voxwarden policy live
    """
    from agents.commands.table import utc
    from pipeline.review.policies.judge_rules import policy_status

    found = policy_status(settings_of(ctx), time.time())
    if found is None:
        stdout.print("Nothing is published. The files of judge.policy and judge.lexicons count.")
        return
    version = found.live
    stdout.print(f"{version.version}: {escape(version.title)}", highlight=False)
    people = f"by {', '.join(version.authors)}, approved by {version.approver}"
    stdout.print(escape(f"published {utc(version.published_at)} {people}; SHA-256 {version.sha256}"))
    stdout.print("The files are the same." if found.same_files else "The files differ from it, and do not count.")
    for judge in found.judges:
        state = judge.problem or ("" if judge.edition == found.edition else "not yet")
        stdout.print(escape(f"  {judge.worker}: {judge.policy} {state}".rstrip()), highlight=False, soft_wrap=True)
    raise typer.Exit(Exit.FAILED if found.behind else Exit.CLEAN)


@policy.command()
def export(
    ctx: typer.Context,
    folder: Annotated[
        Path, typer.Argument(help="A new or empty folder for policy.yaml and NAME.yaml of each lexicon.")
    ],
    version: Annotated[int | None, typer.Option(min=1, help="The number of a version. Default: the live one.")] = None,
) -> None:
    """Write a published version as files.

    Use it to keep published policies in version control, or to check them with `voxwarden policy check`. An existing
    file is never replaced.

    Examples:
      voxwarden policy export published
      voxwarden policy export before --version 41
    """
    from agents.commands.store import database_of
    from pipeline.review.policies import versions

    with database_of(ctx) as database, database.read() as connection:
        found = versions.find_version(connection, version) if version else versions.live_version(connection)
    if found is None:
        raise ConfigError("Nothing is published", "Publish a version in the console, under Policies.")
    texts = {"policy": found.texts.policy} | {each.name: each.text for each in found.texts.lexicons}
    for name, text in texts.items():
        write_new(folder / f"{name}.yaml", text)
    stderr.print(f"[green]ok[/]: {found.version}: {len(texts)} files in {escape(str(folder))}", highlight=False)


def write_new(path: Path, text: str) -> None:
    """Write a new file, with its folders. Raises InputError if there is one."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}", "Name a new folder.") from error
