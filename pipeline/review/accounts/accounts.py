"""The accounts that may use the console. Each function runs in a transaction that the caller opened."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field
from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from pipeline.base.errors import AccountError
from pipeline.contract.messages import Name
from pipeline.review import audit
from pipeline.review.accounts.passwords import PasswordHash
from pipeline.review.accounts.viewing_comfort import Comfort
from pipeline.review.tables.core import ACCOUNTS, SESSIONS

Role = Literal["moderator", "lead", "auditor", "admin"]


class Preferences(Struct, frozen=True, omit_defaults=True):
    """A person's settings for the console. An empty string means that the browser's setting holds."""

    language: Annotated[str, Meta(max_length=16)] = ""
    """A code. If the console has no texts in it, the browser decides."""
    theme: Literal["", "dark", "light"] = ""
    density: Literal["compact", "comfortable"] = "compact"
    keys: bool = True
    """Whether single-letter keys work. WCAG 2.1.4 requires that a person can switch them off."""
    remapped: dict[str, Annotated[str, Meta(max_length=16)]] = field(default_factory=dict)
    """Action to key, for each action whose key the person changed."""
    comfort: Comfort = Comfort()
    notify: bool = False
    """Whether open pages show browser notifications of due work."""


class Account(Struct, frozen=True, kw_only=True):
    """An account of the console. Times are UTC seconds."""

    name: Name
    role: Role
    password: str | None = None
    """The password's hash. None: the person signs in at an OpenID provider."""
    totp_secret: str | None = None
    totp_step: int = 0
    oidc_subject: str | None = None
    disabled: bool = False
    preferences: Preferences = Preferences()
    created_at: float


def add(
    connection: Connection,
    name: str,
    role: Role,
    at: float,
    actor: str,
    *,
    password: PasswordHash | None = None,
    oidc_subject: str | None = None,
) -> Account:
    """Create an account.

    Raises AccountError if the name is taken or invalid.
    """
    try:
        account = msgspec.convert(
            {"name": name, "role": role, "password": password, "oidc_subject": oidc_subject, "created_at": at}, Account
        )
    except msgspec.ValidationError as error:
        raise AccountError(
            f"{name!r} is not a valid account name: {error}", "Choose another name.", text="account_name"
        ) from error
    try:
        with connection.begin_nested():  # so that the caller's transaction goes on after a refused name
            connection.execute(insert(ACCOUNTS).values(msgspec.to_builtins(account)))
    except IntegrityError as error:
        raise AccountError(
            f"An account named {name} exists already", "Choose another name.", text="account_taken", name=name
        ) from error
    audit.append(connection, at, actor, "account.add", name, {"role": role})
    return account


def find(connection: Connection, name: str) -> Account | None:
    """Return the account with this name; None if there is none."""
    row = connection.execute(select(ACCOUNTS).where(ACCOUNTS.c.name == name)).one_or_none()
    return _account(dict(row._mapping)) if row else None


def get(connection: Connection, name: str) -> Account:
    """Return the account with this name. Raises AccountError if there is none."""
    account = find(connection, name)
    if account is None:
        raise AccountError(
            f"There is no account {name}", "`voxwarden accounts list` shows all accounts.", text="missing"
        )
    return account


def known_elsewhere(connection: Connection, subject: str, name: str, role: Role, at: float) -> Account:
    """Return the account of the person who signs in by OpenID Connect as `subject`.

    The first sign-in creates the account. Each later one copies the provider's current role.
    Raises AccountError if the account is disabled here, or if another account has the name.
    """
    row = connection.execute(select(ACCOUNTS).where(ACCOUNTS.c.oidc_subject == subject)).one_or_none()
    if row is None:
        return add(connection, name, role, at, "oidc", oidc_subject=subject)
    account = _account(dict(row._mapping))
    if account.disabled:
        raise AccountError(f"The account {account.name} is disabled", "Ask an admin.", text="disabled")
    if account.role != role:
        _set(connection, account.name, at, "oidc", {"role": role})
    audit.append(connection, at, account.name, "login", account.name)
    return msgspec.structs.replace(account, role=role)


def everybody(connection: Connection) -> list[Account]:
    """Return all accounts, in order of names."""
    return [_account(dict(row._mapping)) for row in connection.execute(select(ACCOUNTS).order_by(ACCOUNTS.c.name))]


def nobody(connection: Connection) -> bool:
    """Tell whether there are no accounts."""
    return connection.execute(select(func.count()).select_from(ACCOUNTS)).scalar_one() == 0


def change(connection: Connection, name: str, at: float, actor: str, **changes: Any) -> None:
    """Set role, password, disabled or totp_secret, and sign the account out.

    Raises AccountError if there is no such account, or if no active admin would be left.
    """
    get(connection, name)
    if (changes.get("role", "admin") != "admin" or changes.get("disabled")) and _admins(connection) == [name]:
        raise AccountError(f"{name} is the last admin", "Make another account an admin first.", text="last_admin")
    _set(connection, name, at, actor, changes)


def _set(connection: Connection, name: str, at: float, actor: str, changes: dict[str, Any]) -> None:
    detail = {key: value for key, value in changes.items() if key in {"role", "disabled"}}
    connection.execute(update(ACCOUNTS).where(ACCOUNTS.c.name == name).values(changes))
    connection.execute(delete(SESSIONS).where(SESSIONS.c.account == name))
    audit.append(connection, at, actor, "account.change", name, detail | {"changed": sorted(changes)})


def _admins(connection: Connection) -> list[str]:
    """Return the active admins, and lock them, so that two cannot demote each other at the same time."""
    active = select(ACCOUNTS.c.name).where(ACCOUNTS.c.role == "admin", ~ACCOUNTS.c.disabled)
    return list(connection.scalars(active.order_by(ACCOUNTS.c.name).with_for_update()))


def prefer(connection: Connection, name: str, preferences: Preferences) -> None:
    """Store a person's preferences."""
    values = {"preferences": msgspec.to_builtins(preferences)}
    connection.execute(update(ACCOUNTS).where(ACCOUNTS.c.name == name).values(values))


def _account(row: dict[Any, Any]) -> Account:
    return msgspec.convert({str(name): value for name, value in row.items()}, Account)
