"""The accounts that may use the console.

Each function runs in a transaction that the caller opened. Only `sign_in` opens its own.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field
from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from pipeline.errors import AccountError
from pipeline.messages import Name
from pipeline.review import audit
from pipeline.review.accounts import passwords
from pipeline.review.accounts.comfort import Comfort
from pipeline.review.database import Database
from pipeline.review.tables.core import ACCOUNTS, SESSIONS

Role = Literal["moderator", "lead", "auditor", "admin"]

FREE_FAILURES = 5
"""Wrong passwords in a row that do not lock the account. Each further one doubles the lock time."""
LONGEST_LOCK = 900.0
"""The longest lock time, in seconds."""


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
    failures: int = 0
    locked_until: float = 0.0
    preferences: Preferences = Preferences()
    created_at: float


def add(
    connection: Connection,
    name: str,
    role: Role,
    at: float,
    actor: str,
    *,
    password: str | None = None,
    oidc_subject: str | None = None,
) -> Account:
    """Create an account.

    Raises AccountError if the name is taken or invalid, or if the password is too short or too long.
    """
    stored = _hash(password) if password is not None else None
    try:
        account = msgspec.convert(
            {"name": name, "role": role, "password": stored, "oidc_subject": oidc_subject, "created_at": at}, Account
        )
    except msgspec.ValidationError as error:
        raise AccountError(f"{name!r} is not a valid account name: {error}", "Choose another name.") from error
    try:
        with connection.begin_nested():  # so that the caller's transaction goes on after a refused name
            connection.execute(insert(ACCOUNTS).values(msgspec.to_builtins(account)))
    except IntegrityError as error:
        raise AccountError(f"An account named {name} exists already", "Choose another name.") from error
    audit.append(connection, at, actor, "account.add", name, {"role": role})
    return account


def find(connection: Connection, name: str) -> Account | None:
    """Return the account with this name; None if there is none."""
    row = connection.execute(select(ACCOUNTS).where(ACCOUNTS.c.name == name)).one_or_none()
    return _account(dict(row._mapping)) if row else None


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
        raise AccountError(f"The account {account.name} is disabled", "Ask an admin.")
    if account.role != role:
        change(connection, account.name, at, "oidc", role=role)
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

    Raises AccountError if there is no such account, or if the password is too short or too long.
    """
    if not find(connection, name):
        raise AccountError(f"There is no account {name}", "`voxwarden accounts list` shows all accounts.")
    detail = {key: value for key, value in changes.items() if key in {"role", "disabled"}}
    if "password" in changes:
        changes |= {"password": _hash(changes["password"]), "failures": 0, "locked_until": 0.0}
    connection.execute(update(ACCOUNTS).where(ACCOUNTS.c.name == name).values(changes))
    connection.execute(delete(SESSIONS).where(SESSIONS.c.account == name))
    audit.append(connection, at, actor, "account.change", name, detail | {"changed": sorted(changes)})


def prefer(connection: Connection, name: str, preferences: Preferences) -> None:
    """Store a person's preferences."""
    values = {"preferences": msgspec.to_builtins(preferences)}
    connection.execute(update(ACCOUNTS).where(ACCOUNTS.c.name == name).values(values))


def sign_in(database: Database, name: str, password: str, code: str, at: float) -> Account | None:
    """Return the account if name, password and one-time code are right; otherwise None.

    None does not tell which of the three was wrong, so an attacker learns nothing.
    """
    with database.read() as connection:
        stored = find(connection, name)
    # Hashing is slow. It happens outside a transaction, so that other requests do not wait for it.
    right = passwords.fits(password[: passwords.MAX_LENGTH], stored.password if stored else None)
    with database.write() as connection:
        return _admit(connection, name, right, code, at)


def _admit(connection: Connection, name: str, right: bool, code: str, at: float) -> Account | None:
    account = find(connection, name)
    if account is None or account.disabled or account.locked_until > at:
        audit.append(connection, at, name[:256], "login.refused", name[:256])
        return None
    step = passwords.totp_step(code, account.totp_secret, at, account.totp_step) if account.totp_secret else 0
    if not right or step is None:
        _failed(connection, account, at)
        return None
    values = {"failures": 0, "locked_until": 0.0, "totp_step": step}
    connection.execute(update(ACCOUNTS).where(ACCOUNTS.c.name == name).values(values))
    audit.append(connection, at, name, "login", name)
    return account


def _failed(connection: Connection, account: Account, at: float) -> None:
    failures = account.failures + 1
    wait = min(LONGEST_LOCK, 2.0 ** (failures - FREE_FAILURES)) if failures > FREE_FAILURES else 0.0
    values = {"failures": min(failures, 64), "locked_until": at + wait}
    connection.execute(update(ACCOUNTS).where(ACCOUNTS.c.name == account.name).values(values))
    audit.append(connection, at, account.name, "login.refused", account.name)


def _hash(password: str) -> str:
    if not passwords.MIN_LENGTH <= len(password) <= passwords.MAX_LENGTH:
        raise AccountError(
            f"The password has {len(password)} characters",
            f"Use {passwords.MIN_LENGTH} to {passwords.MAX_LENGTH} characters.",
        )
    return passwords.hashed(password)


def _account(row: dict[Any, Any]) -> Account:
    return msgspec.convert({str(name): value for name, value in row.items()}, Account)
