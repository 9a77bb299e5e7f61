"""Who has which case in hand: one case, one moderator, for some minutes, renewed by what he does.

A lease is no lock: it lapses when nothing happens, and then anybody may take the case. Each function runs on a
connection whose transaction the caller opened.
"""

import uuid

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, delete, insert, select, update

from pipeline.errors import CaseError, Stale, Taken
from pipeline.review import audit
from pipeline.review.cases import duty, reading
from pipeline.review.quality import checks
from pipeline.review.tables.core import LEASES

LEASE_SECONDS = 300.0


class Lease(Struct, frozen=True):
    case_id: str
    id: str
    account: str
    taken_at: float
    expires_at: float
    """UTC seconds."""


def claim(connection: Connection, case: str, account: str, at: float, seconds: float = LEASE_SECONDS) -> Lease:
    """Take a case; raises Taken when somebody else has it, Involved when `account` has escalated it, CaseError when it
    is decided.

    Whatever else the account held is let go: two hands on two cases are one hand on a stale page.
    """
    found = reading.case(connection, case, lock=True)
    if found.status == "decided":
        raise CaseError(f"Case {case} is decided already", "Take the next one.")
    checks.allow(connection, case, account, at)
    duty.check_escalated(connection, found, account)
    held = of(connection, case)
    if held and held.account != account and held.expires_at > at:
        raise Taken(f"{held.account} has case {case}", "Take the next one.")
    connection.execute(delete(LEASES).where((LEASES.c.case_id == case) | (LEASES.c.account == account)))
    lease = Lease(case, str(uuid.uuid4()), account, at, at + seconds)
    connection.execute(insert(LEASES).values(msgspec.structs.asdict(lease)))
    audit.append(connection, at, account, "case.claim", case)
    return lease


def renew(connection: Connection, identity: str, account: str, at: float, seconds: float = LEASE_SECONDS) -> Lease:
    """Hold on to it; raises Stale when it has lapsed and somebody took the case, or it was let go."""
    lease = check(connection, identity, account)
    connection.execute(update(LEASES).where(LEASES.c.id == identity).values(expires_at=at + seconds))
    return msgspec.structs.replace(lease, expires_at=at + seconds)


def check(connection: Connection, identity: str, account: str) -> Lease:
    """The lease of that id, if it is still the account's; raises Stale. One that lapsed unnoticed still holds."""
    query = select(LEASES).where(LEASES.c.id == identity, LEASES.c.account == account).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None:
        raise Stale("The case is no longer in your hands", "Take it again; what you typed is kept.")
    return Lease(**{str(name): value for name, value in row._mapping.items()})


def release(connection: Connection, identity: str, account: str) -> None:
    connection.execute(delete(LEASES).where(LEASES.c.id == identity, LEASES.c.account == account))


def of(connection: Connection, case: str) -> Lease | None:
    row = connection.execute(select(LEASES).where(LEASES.c.case_id == case)).one_or_none()
    return Lease(**{str(name): value for name, value in row._mapping.items()}) if row else None


def holders(connection: Connection, at: float) -> dict[str, str]:
    """Account by case, of the leases that hold at this moment."""
    query = select(LEASES.c.case_id, LEASES.c.account).where(LEASES.c.expires_at > at)
    return {row.case_id: row.account for row in connection.execute(query)}
