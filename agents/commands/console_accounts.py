"""`voxwarden accounts`: manage the accounts of the review console."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
import typer

from agents.commands.app import add_group, settings_of
from agents.commands.terminal import plain, stdout
from pipeline.base.libraries import importing

if TYPE_CHECKING:
    from sqlalchemy import Connection

Role = Literal["moderator", "lead", "auditor", "admin"]

PASSWORD = "VOXWARDEN_PASSWORD"  # noqa: S105 - the name of a variable

accounts = add_group("accounts", "Manage the accounts of the review console.")

Name = Annotated[str, typer.Argument(help="Name of the account.")]


@accounts.command("add")
def add_account(
    ctx: typer.Context, name: Name, role: Annotated[Role, typer.Option(help="Role of the account.")] = "moderator"
) -> None:
    """Add an account for the review console.

    Use it for each new moderator, lead, auditor or administrator. The command generates a password and prints it once.
    To choose the password, set VOXWARDEN_PASSWORD.

    Example:
      voxwarden accounts add lin --role moderator
    """
    with writing(ctx) as connection:
        from pipeline.review.accounts import accounts as domain
        from pipeline.review.accounts import passwords

        given = os.environ.get(PASSWORD)
        password = given or passwords.generate_password()
        domain.add_account(
            connection, name, role, time.time(), "cli", password=passwords.hash_new_password(password, name)
        )
    stdout.print(plain(f"{name} ({role})" if given else f"{name} ({role}), password: {password}"))


@accounts.command("password")
def new_password(ctx: typer.Context, name: Name) -> None:
    """Give an account a new password and end its sessions.

    Use it when a moderator has lost the password. The command generates a password and prints it once. To choose the
    password, set VOXWARDEN_PASSWORD.

    Example:
      voxwarden accounts password lin
    """
    from pipeline.review.accounts import passwords

    given = os.environ.get(PASSWORD)
    password = given or passwords.generate_password()
    _change(ctx, name, password=passwords.hash_new_password(password, name))
    stdout.print(plain(f"{name} has a new password" if given else f"{name}, password: {password}"))


def _change(ctx: typer.Context, name: str, **changes: object) -> None:
    with writing(ctx) as connection:
        from pipeline.review.accounts import accounts as domain

        domain.change_account(connection, name, time.time(), "cli", **changes)


@contextmanager
def writing(ctx: typer.Context) -> "Iterator[Connection]":
    """Open the store of the settings for one transaction. Raises ConfigError without the packages of the console."""
    with importing("console"):
        import argon2  # noqa: F401 - names what is missing before the store is opened

        from pipeline.review.database import Database
    database = Database(settings_of(ctx).database_url)
    try:
        with database.write() as connection:
            yield connection
    finally:
        database.close()


class ScopeOption(StrEnum):
    """The scopes. Typer takes no list of literals."""

    MODERATE = "moderate"
    CASES = "cases"
    DECIDE = "decide"
    VERDICTS = "verdicts"
    APPEALS = "appeals"
    REPORTS = "reports"
    ACTIONS = "actions"


DAY = 86_400.0

tokens = add_group("tokens", "Make tokens for programs.")


@tokens.command("make")
def make_token(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="What the token is for.")],
    scope: Annotated[list[ScopeOption], typer.Option(help="What it allows; repeat the option for more.")],
    days: Annotated[float | None, typer.Option(min=0, help="Days for which it works. Default: without an end.")] = None,
) -> None:
    """Make a token for a program, and print it once.

    The HTTP API takes the scopes moderate, cases, decide and verdicts. The console takes appeals, reports and actions.

    Example:
      voxwarden tokens make "voice app" --scope reports --scope appeals --days 365
    """
    from pipeline.review.accounts import api_tokens

    now, scopes = time.time(), msgspec.convert([one.value for one in scope], list[api_tokens.TokenScope])
    with writing(ctx) as connection:
        made = api_tokens.make_token(connection, name, scopes, None if days is None else now + days * DAY, now, "cli")
    stdout.print(made, soft_wrap=True, highlight=False)
