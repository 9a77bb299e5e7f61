"""`voxwarden tokens`: manage the tokens of programs."""

import time
from enum import StrEnum
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from agents.commands.accounts import writing
from agents.commands.app import app, stdout
from agents.commands.casetables import utc
from agents.commands.terminal import plain


class ScopeOption(StrEnum):
    """The scopes. Typer takes no list of literals."""

    MODERATE = "moderate"
    CASES = "cases"
    VERDICTS = "verdicts"
    APPEALS = "appeals"
    REPORTS = "reports"
    ACTIONS = "actions"


DAY = 86_400.0

tokens = typer.Typer(no_args_is_help=True, help="Manage the tokens of programs.", rich_markup_mode="rich")
app.add_typer(tokens, name="tokens")


@tokens.command("make")
def make_token(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="What the token is for.")],
    scope: Annotated[list[ScopeOption], typer.Option(help="What it allows; repeat the option for more.")],
    days: Annotated[float | None, typer.Option(min=0, help="Days for which it works. Default: without an end.")] = None,
) -> None:
    """Make a token for a program, and print it once.

    The HTTP API takes the scopes moderate, cases and verdicts. The console takes appeals, reports and actions.

    Example:
      voxwarden tokens make "voice app" --scope reports --scope appeals --days 365
    """
    from pipeline.review.accounts import api_tokens

    now, scopes = time.time(), msgspec.convert([one.value for one in scope], list[api_tokens.TokenScope])
    with writing(ctx) as connection:
        made = api_tokens.make_token(connection, name, scopes, None if days is None else now + days * DAY, now, "cli")
    stdout.print(made, soft_wrap=True, highlight=False)


@tokens.command("list")
def list_tokens(ctx: typer.Context) -> None:
    """List all tokens, without their secrets.

    Use it to find a token that nobody uses.

    Example:
      voxwarden tokens list
    """
    from pipeline.review.accounts import api_tokens

    with writing(ctx) as connection:
        found = api_tokens.all_tokens(connection)
    table = Table("id", "name", "scopes", "until", "last used", "", box=None, pad_edge=False)
    for one in found:
        until, used = (utc(at) if at else "" for at in (one.expires_at, one.used_at))
        state = "" if one.works(time.time()) else "ended"
        table.add_row(one.id, plain(one.name), ", ".join(sorted(one.scopes)), until, used, state)
    stdout.print(table if found else "No tokens. Make one with `voxwarden tokens make`.")


@tokens.command("revoke")
def revoke_token(ctx: typer.Context, token: Annotated[str, typer.Argument(help="Id of the token: vw_…")]) -> None:
    """Refuse a token from now on.

    Use it when a program does not need its token any more, or when somebody may have seen it.

    Example:
      voxwarden tokens revoke vw_1a2b3c4d
    """
    from pipeline.review.accounts import api_tokens

    with writing(ctx) as connection:
        api_tokens.revoke_token(connection, token, time.time(), "cli")
    stdout.print(f"{token} is revoked")
