"""The accounts that may use the console, their preferences and their invitations.

Each function runs in a transaction that the caller opened.
"""

import secrets
from hashlib import sha256
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field
from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from pipeline.base.errors import AccountError
from pipeline.contract.messages import Name
from pipeline.review import audit_log
from pipeline.review.accounts import login_limits
from pipeline.review.accounts.passwords import PasswordHash
from pipeline.review.database import fields_of
from pipeline.review.tables.core import ACCOUNTS, SESSIONS
from pipeline.review.tables.people_tables import INVITATIONS

ACCOUNT = select(ACCOUNTS).where(ACCOUNTS.c.name == bindparam("name"))

Role = Literal["moderator", "lead", "auditor", "admin"]
Minutes = Annotated[int, Meta(ge=5, le=720)]
Cases = Annotated[int, Meta(ge=1, le=1_000)]


class ViewingLimits(Struct, frozen=True, omit_defaults=True):
    """A person's own limits of disturbing content. Only the person sees and changes them."""

    without: tuple[Annotated[str, Meta(max_length=64)], ...] = ()
    """Labels whose cases go to other moderators. The console asks for no reason."""
    cover: bool = False
    """Whether the transcript of a severe case stays hidden until the person presses a key."""
    soften: bool = False
    """Whether the player starts with softened sound."""
    break_minutes: Minutes = 50
    """Minutes of work without a break, after which the console proposes one."""
    break_severe: Cases = 20
    """Severe cases without a break, after which the console proposes one."""
    most_minutes: Minutes = 240
    """Minutes of listening in a shift. At this limit the person gets no more cases."""
    most_severe: Cases = 100
    """Severe cases in a shift. At this limit the person gets no more severe cases."""


class Preferences(Struct, frozen=True, omit_defaults=True):
    """A person's settings for the console. An empty string means that the browser's setting holds."""

    language: Annotated[str, Meta(max_length=16)] = ""
    """A code. If the console has no texts in it, the browser decides."""
    theme: Literal["", "dark", "light"] = ""
    density: Literal["compact", "comfortable"] = "comfortable"
    keys: bool = True
    """Whether single-letter keys work. WCAG 2.1.4 requires that a person can switch them off."""
    remapped: dict[str, Annotated[str, Meta(max_length=16)]] = field(default_factory=dict)
    """Action to key, for each action whose key the person changed."""
    comfort: ViewingLimits = ViewingLimits()
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


def add_account(
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
    audit_log.append(connection, at, actor, "account.add", name, {"role": role})
    return account


def find_account(connection: Connection, name: str) -> Account | None:
    """Return the account with this name; None if there is none."""
    row = connection.execute(ACCOUNT, {"name": name}).one_or_none()
    return _account(row) if row else None


def get_account(connection: Connection, name: str) -> Account:
    """Return the account with this name. Raises AccountError if there is none."""
    account = find_account(connection, name)
    if account is None:
        raise AccountError(f"There is no account {name}", "The console's page Accounts lists them.", text="missing")
    return account


def account_of_identity(connection: Connection, subject: str, name: str, role: Role, at: float) -> Account:
    """Return the account of the person who signs in by OpenID Connect as `subject`.

    The first sign-in creates the account. Each later one copies the provider's current role.
    Raises AccountError if the account is disabled here, or if another account has the name.
    """
    # By `sub`, not by name: a provider may give a person's name to another person later.
    row = connection.execute(select(ACCOUNTS).where(ACCOUNTS.c.oidc_subject == subject)).one_or_none()
    if row is None:
        return add_account(connection, name, role, at, "oidc", oidc_subject=subject)
    account = _account(row)
    if account.disabled:
        raise AccountError(f"The account {account.name} is disabled", "Ask an admin.", text="disabled")
    if account.role != role:
        _set(connection, account.name, at, "oidc", {"role": role})
    audit_log.append(connection, at, account.name, "login", account.name)
    return msgspec.structs.replace(account, role=role)


def all_accounts(connection: Connection) -> list[Account]:
    """Return all accounts, in order of names."""
    return [_account(row) for row in connection.execute(select(ACCOUNTS).order_by(ACCOUNTS.c.name))]


def has_no_accounts(connection: Connection) -> bool:
    """Tell whether there are no accounts."""
    return connection.execute(select(func.count()).select_from(ACCOUNTS)).scalar_one() == 0


def change_account(connection: Connection, name: str, at: float, actor: str, **changes: Any) -> None:
    """Set role, password, disabled or totp_secret, and sign the account out.

    Raises AccountError if there is no such account, or if no active admin would be left.
    """
    get_account(connection, name)
    # Without an admin, nobody could make another one.
    if (changes.get("role", "admin") != "admin" or changes.get("disabled")) and _admins(connection) == [name]:
        raise AccountError(f"{name} is the last admin", "Make another account an admin first.", text="last_admin")
    _set(connection, name, at, actor, changes)


def _set(connection: Connection, name: str, at: float, actor: str, changes: dict[str, Any]) -> None:
    detail = {key: value for key, value in changes.items() if key in {"role", "disabled"}}
    connection.execute(update(ACCOUNTS).where(ACCOUNTS.c.name == name).values(changes))
    # Sessions of the old password or role must not go on.
    connection.execute(delete(SESSIONS).where(SESSIONS.c.account == name))
    audit_log.append(connection, at, actor, "account.change", name, detail | {"changed": sorted(changes)})


def _admins(connection: Connection) -> list[str]:
    """Return the active admins, and lock them, so that two cannot demote each other at the same time."""
    active = select(ACCOUNTS.c.name).where(ACCOUNTS.c.role == "admin", ~ACCOUNTS.c.disabled)
    return list(connection.scalars(active.order_by(ACCOUNTS.c.name).with_for_update()))


def store_preferences(connection: Connection, name: str, preferences: Preferences) -> None:
    """Store a person's preferences."""
    values = {"preferences": msgspec.to_builtins(preferences)}
    connection.execute(update(ACCOUNTS).where(ACCOUNTS.c.name == name).values(values))


def _account(row: Row[Any]) -> Account:
    return msgspec.convert(fields_of(row), Account)


INVITATION_SECONDS = 259_200.0
"""An invitation is a link with which a person sets a password, once. It works for 3 days."""


def invite(connection: Connection, name: str, at: float, actor: str) -> str:
    """Return the token of a new link for an account. Earlier links and the password do not work any more."""
    change_account(connection, name, at, actor, password=None)
    # Somebody else may use these browsers by now. They lose the limit of tries that the account's owner has.
    login_limits.forget_browsers(connection, name)
    token = secrets.token_urlsafe(32)
    connection.execute(delete(INVITATIONS).where(INVITATIONS.c.account == name))
    values = {"account": name, "hash": _hash(token), "made_by": actor, "expires_at": at + INVITATION_SECONDS}
    connection.execute(insert(INVITATIONS).values(values))
    audit_log.append(connection, at, actor, "account.invite", name)
    return token


def invited_account(connection: Connection, token: str, at: float) -> str:
    """Return the account that a link is for. Raises AccountError if the link is unknown, used or too old."""
    valid = (INVITATIONS.c.hash == _hash(token), INVITATIONS.c.expires_at > at)
    name = connection.scalar(select(INVITATIONS.c.account).where(*valid))
    account = find_account(connection, name) if name else None
    if account is None or account.disabled:
        raise AccountError("This link does not work any more", "Ask an admin for a new one.", text="link")
    return account.name


def accept_invitation(connection: Connection, token: str, password: PasswordHash, at: float) -> str:
    """Set the password of the account that a link is for, and return its name. Raises AccountError as above."""
    name = invited_account(connection, token, at)
    # The DELETE decides: of two requests with the same link, only one finds the row.
    if not connection.execute(delete(INVITATIONS).where(INVITATIONS.c.hash == _hash(token))).rowcount:
        raise AccountError("This link was used a moment ago", "Ask an admin for a new one.", text="link")
    change_account(connection, name, at, name, password=password)
    return name


def open_invitations(connection: Connection, at: float) -> dict[str, float]:
    """Return the accounts with a link that works, and when it ends (UTC seconds)."""
    query = select(INVITATIONS.c.account, INVITATIONS.c.expires_at).where(INVITATIONS.c.expires_at > at)
    return {row.account: row.expires_at for row in connection.execute(query)}


def _hash(token: str) -> str:
    return sha256(token.encode()).hexdigest()  # a fast hash is enough for 256 random bits
