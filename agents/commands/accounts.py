"""`voxwarden accounts`: manage the accounts of the review console."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table

from agents.commands.app import app, settings_of, stdout
from agents.commands.casetables import utc
from agents.commands.terminal import plain
from pipeline.base.libraries import importing

if TYPE_CHECKING:
    from sqlalchemy import Connection

Role = Literal["moderator", "lead", "auditor", "admin"]

PASSWORD = "VOXWARDEN_PASSWORD"  # noqa: S105 - the name of a variable

accounts = typer.Typer(no_args_is_help=True, help="Manage the accounts of the review console.", rich_markup_mode="rich")
app.add_typer(accounts, name="accounts")

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


@accounts.command("list")
def list_accounts(ctx: typer.Context) -> None:
    """List all accounts with their roles and ways to sign in.

    Use it to check who has access.

    Example:
      voxwarden accounts list
    """
    with writing(ctx) as connection:
        from pipeline.review.accounts import accounts as domain

        found = domain.all_accounts(connection)
    table = Table("name", "role", "signs in by", "since", "", box=None, pad_edge=False)
    for one in found:
        ways = [
            way
            for way, has in (("password", one.password), ("code", one.totp_secret), ("OIDC", one.oidc_subject))
            if has
        ]
        table.add_row(
            plain(one.name), one.role, ", ".join(ways), utc(one.created_at), "disabled" if one.disabled else ""
        )
    stdout.print(table if found else "No accounts. Add one with `voxwarden accounts add NAME`.")


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


@accounts.command("role")
def new_role(ctx: typer.Context, name: Name, role: Annotated[Role, typer.Argument(help="The new role.")]) -> None:
    """Change the role of an account and end its sessions.

    Use it when somebody gets other rights, such as those of a lead.

    Example:
      voxwarden accounts role lin lead
    """
    _change(ctx, name, role=role)
    stdout.print(plain(f"{name} is {role}"))


@accounts.command("disable")
def disable(ctx: typer.Context, name: Name) -> None:
    """Block an account from signing in. Its decisions stay.

    Use it when somebody leaves the team.

    Example:
      voxwarden accounts disable lin
    """
    _change(ctx, name, disabled=True)
    stdout.print(plain(f"{name} is disabled"))


@accounts.command("enable")
def enable(ctx: typer.Context, name: Name) -> None:
    """Allow an account to sign in again, and remove its one-time codes.

    Use it after `disable`, or when somebody has lost the device with the one-time codes.

    Example:
      voxwarden accounts enable lin
    """
    with writing(ctx) as connection:
        from pipeline.review.accounts import accounts as domain
        from pipeline.review.accounts import passwords

        domain.change_account(connection, name, time.time(), "cli", disabled=False, totp_secret=None)
        passwords.forget_recovery_codes(connection, name)
    stdout.print(plain(f"{name} may sign in"))


def _change(ctx: typer.Context, name: str, **changes: object) -> None:
    with writing(ctx) as connection:
        from pipeline.review.accounts import accounts as domain

        domain.change_account(connection, name, time.time(), "cli", **changes)


@contextmanager
def writing(ctx: typer.Context) -> "Iterator[Connection]":
    """Open the store of the settings for one transaction. Raises ConfigError without the packages of the console."""
    with importing("console"):
        import argon2  # noqa: F401

        from pipeline.review.database import Database
    database = Database(settings_of(ctx).database_url)
    try:
        with database.write() as connection:
            yield connection
    finally:
        database.close()
