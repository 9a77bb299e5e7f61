"""Leases: one moderator holds one case for some minutes. Each action of the moderator renews the lease.

A lease is not a lock. It expires without an action, and then another moderator may take the case. Each function runs
in a transaction that the caller opened.
"""

import uuid
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Row, delete, insert, select, update

from pipeline.base.errors import CaseError, Stale, Taken
from pipeline.review import audit_log
from pipeline.review.accounts import wellness
from pipeline.review.cases import assigning, eligibility, reading
from pipeline.review.database import fields_of
from pipeline.review.quality import quality_checks
from pipeline.review.tables.core import LEASES

LEASE_SECONDS = 300.0
"""Seconds without activity after which a moderator's case returns to the queue: longer than any clip."""
LONGEST_SECONDS = 1_800.0
"""Seconds from its begin after which a lease is not renewed. A break does not count."""


class Lease(Struct, frozen=True):
    """A moderator's lease on a case. It expires at `expires_at`. Times are UTC seconds."""

    case_id: str
    id: str
    account: str
    taken_at: float
    expires_at: float
    """UTC seconds."""


def claim(connection: Connection, case: str, account: str, at: float, seconds: float = LEASE_SECONDS) -> Lease:
    """Take a lease on a case for `seconds` from `at` (UTC seconds). End the account's other lease and its break.

    An account holds one case at most, because people work on one case at a time. If it holds this case already, in
    another tab, it gets the same lease. Raises Missing if there is no such case, and CaseError if it is decided. Raises
    Taken if another moderator holds it or it is reserved for one, and Involved if `account` must not decide it.
    """
    found = reading.case(connection, case, lock=True)
    if found.status == "decided":
        raise CaseError(f"Case {case} is already decided", "Take the next one.", text="decided")
    quality_checks.allow(connection, case, account, at)
    eligibility.check_party(connection, found, account)
    eligibility.check_escalated(connection, found, account)
    eligibility.check_skills(connection, found, account)
    assigning.check_assignment(connection, found, account, at)
    replaced = (LEASES.c.case_id == case) | (LEASES.c.account == account)
    # Leases are locked in the order of their cases, as everywhere (docs/architecture.md).
    rows = connection.execute(select(LEASES).where(replaced).order_by(LEASES.c.case_id).with_for_update())
    held = next((lease for lease in map(_lease, rows) if lease.case_id == case), None)
    if held and held.account != account and held.expires_at > at:
        raise Taken(f"{held.account} holds case {case}", "Take the next one.", text="taken", name=held.account)
    if held and held.account == account and held.expires_at > at:
        wellness.end_break(connection, account, at)
        lease = renew(connection, held.id, account, at, seconds)
        audit_log.append(connection, at, account, "case.view", case)
        return lease
    # This ends an expired lease of another person, and the account's lease on another case.
    connection.execute(delete(LEASES).where(replaced))
    lease = Lease(case, str(uuid.uuid4()), account, at, at + seconds)
    connection.execute(insert(LEASES).values(msgspec.structs.asdict(lease)))
    wellness.end_break(connection, account, at)
    audit_log.append(connection, at, account, "case.claim", case)
    return lease


def renew(
    connection: Connection,
    identity: str,
    account: str,
    at: float,
    seconds: float = LEASE_SECONDS,
    longest: float = LONGEST_SECONDS,
) -> Lease:
    """Extend a lease to `seconds` from `at` (UTC seconds), and to `longest` from its begin at most.

    Raises Stale if the lease was released, if it expired and another moderator took the case, or if it has reached its
    longest time.
    """
    lease = _held(connection, identity, account)
    end = lease.taken_at + longest
    if at >= end:
        raise Stale(
            f"You have held this case for {longest / 60:g} minutes, the longest time",
            "Take it again if it is free.",
            text="longest_lease",
            minutes=f"{longest / 60:g}",
        )
    expires_at = min(at + seconds, end)
    connection.execute(update(LEASES).where(LEASES.c.id == identity).values(expires_at=expires_at))
    return msgspec.structs.replace(lease, expires_at=expires_at)


def check_lease(connection: Connection, identity: str, account: str) -> Lease:
    """Return the account's lease with this id, and lock its case. Raises Stale if the account no longer has it.

    An expired lease still holds until another moderator takes the case.
    """
    case = connection.scalar(select(LEASES.c.case_id).where(LEASES.c.id == identity))
    reading.locked(connection, [case] if case else [])  # the case comes before the lease, as in `claim`
    return _held(connection, identity, account)


def release_lease(connection: Connection, identity: str, account: str) -> None:
    """Release a lease. Nothing happens if the account no longer has it."""
    connection.execute(delete(LEASES).where(LEASES.c.id == identity, LEASES.c.account == account))


def lease_of(connection: Connection, case: str) -> Lease | None:
    """Return the lease on a case, expired or not; None if there is none."""
    row = connection.execute(select(LEASES).where(LEASES.c.case_id == case)).one_or_none()
    return _lease(row) if row else None


def held_by(connection: Connection, account: str, at: float) -> Lease | None:
    """Return the account's lease at `at` (UTC seconds); None if it holds no case."""
    query = select(LEASES).where(LEASES.c.account == account, LEASES.c.expires_at > at)
    row = connection.execute(query.order_by(LEASES.c.taken_at.desc()).limit(1)).one_or_none()
    return _lease(row) if row else None


def holders(connection: Connection, at: float) -> dict[str, str]:
    """Return the account that holds each leased case at `at` (UTC seconds), by case id."""
    query = select(LEASES.c.case_id, LEASES.c.account).where(LEASES.c.expires_at > at)
    return {row.case_id: row.account for row in connection.execute(query)}


def _held(connection: Connection, identity: str, account: str) -> Lease:
    query = select(LEASES).where(LEASES.c.id == identity, LEASES.c.account == account).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None:
        raise Stale(
            "You no longer hold this case", "Take it again; the page keeps the text that you typed.", text="lease_lost"
        )
    return _lease(row)


def _lease(row: Row[Any]) -> Lease:
    return Lease(**fields_of(row))
