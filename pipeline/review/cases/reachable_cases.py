"""Reach: the open cases that one account may get, by its skills, by the duty to stay apart, and by assignments."""

from collections.abc import Collection

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, and_, exists, select

from pipeline.review.accounts import presence, skills
from pipeline.review.accounts.skills import Skills
from pipeline.review.cases import duty
from pipeline.review.tables.core import CASES
from pipeline.review.tables.queues import ASSIGNMENTS


class Reach(Struct, frozen=True):
    """What `account` may get at `at` (UTC seconds), while the accounts `here` are at the desk."""

    account: str
    skills: Skills
    users: frozenset[str]
    """The ids under which the app may know the account's person."""
    at: float
    here: frozenset[str] = frozenset()

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the conditions on a row of CASES, an open case."""
        found = [*self.skills.conditions(), ~duty.escalated_by(self.account), ~duty.involves(self.users)]
        if others := self.here - {self.account}:
            found.append(~exists().where(ASSIGNMENTS.c.case_id == CASES.c.id, reserved(others, self.at)))
        return found


def of(connection: Connection, account: str, at: float) -> Reach:
    """Return what `account` may get at `at` (UTC seconds)."""
    users = duty.users_of(connection, account)
    return Reach(account, skills.skills_of(connection, account), users, at, presence.people_here(connection, at))


def reserved(accounts: Collection[str], at: float) -> ColumnElement[bool]:
    """Return the condition on a row of ASSIGNMENTS that the case is reserved for one of `accounts` at `at`."""
    return and_(ASSIGNMENTS.c.account.in_(sorted(accounts)), ASSIGNMENTS.c.until > at)


def assigned_to(account: str) -> ColumnElement[bool]:
    """Return the condition on a row of CASES that it is assigned to `account`."""
    return CASES.c.id.in_(select(ASSIGNMENTS.c.case_id).where(ASSIGNMENTS.c.account == account))


def has_assigned(connection: Connection, account: str) -> bool:
    """Tell whether any case is assigned to `account`."""
    return bool(connection.scalar(select(exists().where(ASSIGNMENTS.c.account == account))))


def unassigned() -> ColumnElement[bool]:
    """Return the condition on a row of CASES that it is assigned to nobody."""
    return ~exists().where(ASSIGNMENTS.c.case_id == CASES.c.id, ASSIGNMENTS.c.account.is_not(None))
