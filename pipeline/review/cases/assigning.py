"""Assignments: a lead gives cases to a person.

An assigned case is offered to its person first. It is offered to nobody else until its time is over, or while the
person is away or on a break. Each function runs in a transaction that the caller opened, and takes locks in this
order: cases (sorted by id), assignments, audit log. Times are UTC seconds.
"""

import uuid
from collections.abc import Collection, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, delete, exists, func, select, update

from pipeline.base.errors import CaseError, Taken
from pipeline.review import audit_log
from pipeline.review.accounts import accounts, presence, wellness
from pipeline.review.accounts.accounts import Account
from pipeline.review.cases import case_queue, case_values, eligibility, reading
from pipeline.review.cases.case_queue import QueueFilter
from pipeline.review.cases.case_values import Case
from pipeline.review.cases.eligibility import Eligibility
from pipeline.review.database import upsert
from pipeline.review.quality import quality_checks
from pipeline.review.tables.core import CASES, OPEN
from pipeline.review.tables.people_tables import ASSIGNMENTS

OFFERED_SECONDS = 3_600.0
"""An assigned case is offered to its person only for this long, while the person is here. Then all may take it."""

MOST_MOVED = 200
"""The most cases in one move."""
MOST_ASSIGNED = 1_000
"""The most open cases that one account may have."""

MoveReason = Literal["workload", "language", "expertise", "away", "conflict", "other"]


class Assignment(Struct, frozen=True):
    """A case that a lead gave to a person. `account` is None if it was taken back."""

    case: str
    account: str | None
    by: str
    at: float
    until: float


class Move(Struct, frozen=True):
    """The cases that one act of a lead gave to `account`."""

    id: str
    account: str
    cases: tuple[str, ...]


class Person(Struct, frozen=True):
    """An account that can get cases, and the number of open cases that it has."""

    name: str
    presence: presence.Presence
    assigned: int


def people(connection: Connection, at: float) -> list[Person]:
    """Return the accounts that can get cases, in order of names."""
    present, counts = presence.all_presences(connection, at), _counts(connection)
    return [Person(name, present.get(name, "away"), counts.get(name, 0)) for name in eligibility.all_skills(connection)]


def candidates(
    connection: Connection, account: str, wanted: QueueFilter, at: float, limit: int, only: str = ""
) -> list[str]:
    """Return the ids of the first cases of `wanted` that `account` may get, in the order of the queue.

    Cases that somebody else holds at `at`, or that the account has already, are left out. `only` is the id of the one
    case that is asked for.
    """
    may_get = Eligibility(
        account, eligibility.skills_of(connection, account), eligibility.users_of(connection, account), at
    )
    barred = case_queue.Without(cases=quality_checks.barred(connection, account, at))
    theirs = msgspec.structs.replace(
        wanted, eligibility=may_get, view="others" if wanted.view is None else wanted.view, without=barred
    )
    return case_queue.free(connection, account, at, theirs, limit, only)


def move(
    connection: Connection,
    cases: Collection[str],
    account: str,
    by: str,
    reason: MoveReason,
    at: float,
    seconds: float,
) -> Move:
    """Give cases to `account` and reserve them for `seconds`. Cases that were decided meanwhile are left out.

    Raises CaseError if there is no such account, if it cannot decide, or if it has too many cases.
    """
    person = _person(connection, account)
    if len(cases) > MOST_MOVED or _counts(connection).get(account, 0) + len(cases) > MOST_ASSIGNED:
        raise CaseError(
            f"{account} would get too many cases",
            f"Move at most {MOST_MOVED} at once. A person has at most {MOST_ASSIGNED}.",
            text="too_many_cases",
            most=MOST_MOVED,
        )
    locked = _lock(connection, cases)
    made = Move(str(uuid.uuid4()), account, tuple(case.id for case in locked))
    # What the person opted out of stays private, so the lead's move succeeds all the same.
    load = wellness.meter(connection, account, person.preferences.comfort, at)
    private = wellness.without(connection, account, load, at)
    before = _assigned(connection, made.cases)
    for case in locked:
        # A case that the person opted out of is reserved for nobody. The lead cannot see that.
        refused = case.label in private.labels or (private.severity is not None and case.severity >= private.severity)
        until = at if refused else at + seconds
        given = {"account": account, "by": by, "at": at, "until": until, "reason": reason, "move": made.id}
        _store(connection, case.id, given | {"before": before.get(case.id)})
    for identity in made.cases:
        audit_log.append(
            connection, at, by, "case.assign", identity, {"to": account, "reason": reason, "move": made.id}
        )
    return made


def undo(connection: Connection, move: str, by: str, at: float) -> list[str]:
    """Take a move back: its open cases return to the people who had them before. Return their ids.

    Cases that were moved again stay where they are. Raises CaseError if there is nothing to take back.
    """
    moved = connection.scalars(select(ASSIGNMENTS.c.case_id).where(ASSIGNMENTS.c.move == move)).all()
    locked = [case.id for case in _lock(connection, moved)]
    theirs = (ASSIGNMENTS.c.case_id.in_(locked), ASSIGNMENTS.c.move == move, ASSIGNMENTS.c.account.is_not(None))
    back = list(connection.scalars(select(ASSIGNMENTS.c.case_id).where(*theirs).order_by(ASSIGNMENTS.c.case_id)))
    if not back:
        raise CaseError(
            "There is nothing to take back", "The cases are decided, or were moved again.", text="nothing_to_take_back"
        )
    # `until` is now: the person before has the case again, but without a reservation.
    changes = {"account": ASSIGNMENTS.c.before, "before": None, "by": by, "at": at, "until": at, "move": ""}
    connection.execute(update(ASSIGNMENTS).where(*theirs).values(changes))
    for case in back:
        audit_log.append(connection, at, by, "case.unassign", case, {"move": move})
    return back


def check_assignment(connection: Connection, case: Case, account: str, at: float) -> None:
    """Raise Taken if the case is reserved for another account that is here."""
    others = presence.people_here(connection, at) - {account}
    owner = select(ASSIGNMENTS.c.account).where(ASSIGNMENTS.c.case_id == case.id, eligibility.reserved(others, at))
    if name := connection.scalar(owner):
        raise Taken(f"Case {case.id} is assigned to {name}", "Take the next one.", text="assigned", name=name)


def assignment_of(connection: Connection, case: str) -> Assignment | None:
    """Return the assignment of a case; None if it is assigned to nobody."""
    query = select(ASSIGNMENTS).where(ASSIGNMENTS.c.case_id == case, ASSIGNMENTS.c.account.is_not(None))
    row = connection.execute(query).one_or_none()
    return Assignment(row.case_id, row.account, row.by, row.at, row.until) if row else None


def since(connection: Connection, at: float, limit: int = 500) -> list[Assignment]:
    """Return the assignments that were made or taken back at or after `at`, newest first."""
    query = select(ASSIGNMENTS).where(ASSIGNMENTS.c.at >= at).order_by(ASSIGNMENTS.c.at.desc()).limit(limit)
    return [Assignment(row.case_id, row.account, row.by, row.at, row.until) for row in connection.execute(query)]


def owners(connection: Connection, cases: Sequence[str]) -> dict[str, str]:
    """Return the account that has each of these cases, by case id. Cases of nobody are left out."""
    return {case: account for case, account in _assigned(connection, cases).items() if account}


def follow(connection: Connection, case: str, into: str) -> None:
    """Move the assignment of a case to the case `into`, into which it is merged, unless that one has its own."""
    taken = exists().where(ASSIGNMENTS.c.case_id == into, ASSIGNMENTS.c.account.is_not(None))
    if connection.scalar(select(taken)):
        return
    if connection.scalar(select(ASSIGNMENTS.c.account).where(ASSIGNMENTS.c.case_id == case)):
        connection.execute(delete(ASSIGNMENTS).where(ASSIGNMENTS.c.case_id == into))
        connection.execute(update(ASSIGNMENTS).where(ASSIGNMENTS.c.case_id == case).values(case_id=into))


def _person(connection: Connection, name: str) -> Account:
    found = accounts.find_account(connection, name)
    if found is None or found.disabled or found.role not in eligibility.DECIDING:
        raise CaseError(f"{name} decides no cases", "Choose an account that does.", text="no_moderator", name=name)
    return found


def _lock(connection: Connection, cases: Collection[str]) -> list[Case]:
    """Lock the cases in the order of their ids, and return the open ones."""
    return [case for case in reading.locked(connection, cases).values() if case.status in case_values.OPEN]


def _store(connection: Connection, case: str, given: dict[str, Any]) -> None:
    statement = upsert(connection, ASSIGNMENTS).values(case_id=case, **given)
    connection.execute(statement.on_conflict_do_update(index_elements=[ASSIGNMENTS.c.case_id], set_=given))


def _assigned(connection: Connection, cases: Collection[str]) -> dict[str, str | None]:
    query = select(ASSIGNMENTS.c.case_id, ASSIGNMENTS.c.account).where(ASSIGNMENTS.c.case_id.in_(cases))
    return {row.case_id: row.account for row in connection.execute(query)}


def _counts(connection: Connection) -> dict[str, int]:
    """Return the number of open cases of each account that has one."""
    query = (
        select(ASSIGNMENTS.c.account, func.count().label("n"))
        .join(CASES, CASES.c.id == ASSIGNMENTS.c.case_id)
        .where(OPEN, ASSIGNMENTS.c.account.is_not(None))
        .group_by(ASSIGNMENTS.c.account)
    )
    return {row.account: row.n for row in connection.execute(query)}
