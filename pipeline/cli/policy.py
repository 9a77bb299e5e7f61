"""`voxwarden policy` and `voxwarden lexicon`: check and explain the rules before you use them."""

from typing import Annotated

import typer
from rich.markup import escape

from pipeline.cli.app import app, settings_of, stderr, stdout, with_policy
from pipeline.cli.roomtype import warn_unknown

policy = typer.Typer(no_args_is_help=True, help="Check and explain the policy.")
lexicon = typer.Typer(no_args_is_help=True, help="Check the lexicons.")
app.add_typer(policy, name="policy")
app.add_typer(lexicon, name="lexicon")


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
    from pipeline.judge.judge import check

    config = check(with_policy(settings_of(ctx), name).judge)
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
    from pipeline.cli.table import flag_row
    from pipeline.judge.judge import build
    from pipeline.judge.texts import Text, judge_texts
    from pipeline.metrics import Metrics

    settings = with_policy(settings_of(ctx), name)
    warn_unknown(settings, room_type)
    judge = build(settings, Metrics())
    for flag in judge_texts(judge, [Text(text, room_type=room_type)]):
        stdout.print(flag_row(flag, flag.policy))
        for reason in flag.reasons or ("no rule matched",):
            stdout.print(f"  {escape(reason)}", highlight=False, soft_wrap=True)


@lexicon.command("check")
def check_lexicon(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(help="Lexicons by name or path. Default: judge.lexicons.")
    ] = None,
) -> None:
    """Check lexicons, and print the number of terms in each.

    Use it after you have edited a lexicon. An error names the file and the entry, and the exit code is 2.

    Examples:
      voxwarden lexicon check
      voxwarden lexicon check mine.yaml
    """
    from pipeline.judge import labels
    from pipeline.judge.lexicon import load

    settings = settings_of(ctx).judge
    known = labels.load(settings.labels)
    for name in names or settings.lexicons:
        for found in load([name], known):
            terms = sum(len(group.terms) for group in found.groups)
            stderr.print(f"[green]ok[/]: {escape(name)}: {terms} terms, {len(found.allow)} allowed", highlight=False)
