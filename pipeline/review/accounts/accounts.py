"""Who may use the console. Functions run in a transaction that the caller opened; `sign_in` opens its own."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field
from sqlalchemy import Connection, delete, func, insert, select, update

from pipeline.errors import AccountError
from pipeline.messages import Name
from pipeline.review import audit
from pipeline.review.accounts import passwords
from pipeline.review.accounts.comfort import Comfort
from pipeline.review.database import Database
from pipeline.review.tables.core import ACCOUNTS, SESSIONS

Role = Literal["moderator", "lead", "auditor", "admin"]

FREE_FAILURES = 5
"""Wrong passwords in a row that cost nothing; each further one doubles the wait."""
LONGEST_LOCK = 900.0
"""Seconds."""


class Preferences(Struct, frozen=True, omit_defaults=True):
    """How a person wants the console; empty: as the browser says."""

    language: Annotated[str, Meta(max_length=16)] = ""
    """A code. If the console has no texts in it, the browser decides."""
    theme: Literal["", "dark", "light"] = ""
    density: Literal["compact", "comfortable"] = "compact"
    keys: bool = True
    """Single-letter keys work (WCAG 2.1.4 asks that they can be switched off)."""
    remapped: dict[str, Annotated[str, Meta(max_length=16)]] = field(default_factory=dict)
    """Key by what it does, where it is not the usual one."""
    comfort: Comfort = Comfort()


class Account(Struct, frozen=True, kw_only=True):
    name: Name
    role: Role
    password: str | None = None
    """Its hash; None: signs in elsewhere (OIDC)."""
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
    """Make an account; raises AccountError for a name that is taken or cannot be one, and for a short password."""
    stored = _hash(password) if password is not None else None
    try:
        account = msgspec.convert(
            {"name": name, "role": role, "password": stored, "oidc_subject": oidc_subject, "created_at": at}, Account
        )
    except msgspec.ValidationError as error:
        raise AccountError(f"{name!r} cannot be the name of an account: {error}", "Choose another one.") from error
    if find(connection, name):
        raise AccountError(f"There is an account {name} already", "Choose another name.")
    connection.execute(insert(ACCOUNTS).values(msgspec.to_builtins(account)))
    audit.append(connection, at, actor, "account.add", name, {"role": role})
    return account


def find(connection: Connection, name: str) -> Account | None:
    row = connection.execute(select(ACCOUNTS).where(ACCOUNTS.c.name == name)).one_or_none()
    return _account(dict(row._mapping)) if row else None


def known_elsewhere(connection: Connection, subject: str, name: str, role: Role, at: float) -> Account:
    """The account of who signs in by OpenID Connect as `subject`, made the first time, its role as it is there now.

    Raises AccountError when it is disabled here, or its name is somebody else's.
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
    return [_account(dict(row._mapping)) for row in connection.execute(select(ACCOUNTS).order_by(ACCOUNTS.c.name))]


def nobody(connection: Connection) -> bool:
    return connection.execute(select(func.count()).select_from(ACCOUNTS)).scalar_one() == 0


def change(connection: Connection, name: str, at: float, actor: str, **changes: Any) -> None:
    """Set role, password, disabled, totp_secret; signs the account out. Raises AccountError."""
    if not find(connection, name):
        raise AccountError(f"No account {name}", "`voxwarden accounts list` shows them.")
    detail = {key: value for key, value in changes.items() if key in {"role", "disabled"}}
    if "password" in changes:
        changes |= {"password": _hash(changes["password"]), "failures": 0, "locked_until": 0.0}
    connection.execute(update(ACCOUNTS).where(ACCOUNTS.c.name == name).values(changes))
    connection.execute(delete(SESSIONS).where(SESSIONS.c.account == name))
    audit.append(connection, at, actor, "account.change", name, detail | {"changed": sorted(changes)})


def prefer(connection: Connection, name: str, preferences: Preferences) -> None:
    values = {"preferences": msgspec.to_builtins(preferences)}
    connection.execute(update(ACCOUNTS).where(ACCOUNTS.c.name == name).values(values))


def sign_in(database: Database, name: str, password: str, code: str, at: float) -> Account | None:
    """The account, if name, password and one-time code are right; None says no more than that, whatever was wrong."""
    with database.read() as connection:
        stored = find(connection, name)
    # Outside of a transaction: hashing takes its time, and nobody shall wait for it.
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
        raise AccountError(f"The password has {len(password)} characters", f"Take {passwords.MIN_LENGTH} or more.")
    return passwords.hashed(password)


def _account(row: dict[Any, Any]) -> Account:
    return msgspec.convert({str(name): value for name, value in row.items()}, Account)
