"""Skills: the languages, labels and severities that an account may get, and the right to decide escalated cases.

Leads set them. A label that a person does not want is in their own settings (`ViewingLimits`), where no lead sees it.
Each function runs in a transaction that the caller opened.
"""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct
from sqlalchemy import ColumnElement, Connection, select

from pipeline.base.errors import AccountError
from pipeline.review import audit_log
from pipeline.review.accounts.accounts import Role
from pipeline.review.cases.reading import OpenGroup
from pipeline.review.cases.values import Case
from pipeline.review.database import upsert
from pipeline.review.tables.core import ACCOUNTS, CASES
from pipeline.review.tables.people_tables import SKILLS

CRITICAL = 3
DECIDING: frozenset[Role] = frozenset({"moderator", "lead", "admin"})
SENIOR: frozenset[Role] = frozenset({"lead", "admin"})
"""Roles that always decide escalated cases."""


class Skills(Struct, frozen=True, kw_only=True):
    """The cases that an account may get. Empty `languages` or `labels` mean all.

    A case without a language or a label (a report about a whole room) is for everybody.
    """

    languages: tuple[Annotated[str, Meta(max_length=16)], ...] = ()
    labels: tuple[Annotated[str, Meta(max_length=64)], ...] = ()
    severity: Annotated[int, Meta(ge=0, le=CRITICAL)] = CRITICAL
    """The highest severity."""
    escalated: bool = False
    """Whether the account may decide escalated cases."""

    def fit(self, case: Case | OpenGroup) -> bool:
        """Tell whether the account may get this open case, or a group of them, by what `conditions` says in SQL."""
        spoken = not self.languages or case.language in {*self.languages, ""}
        known = not self.labels or case.label in {*self.labels, ""}
        return spoken and known and case.severity <= self.severity and (self.escalated or case.status != "escalated")

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the conditions on a row of CASES, an open case, that the account may get it."""
        found: list[ColumnElement[bool]] = []
        if self.languages:
            # As in `cases/case_queue.py`, an index of languages alone is hidden.
            found.append(CASES.c.language.concat("").in_((*self.languages, "")))
        if self.labels:
            found.append(CASES.c.label.in_((*self.labels, "")))
        if self.severity < CRITICAL:
            found.append(CASES.c.severity <= self.severity)
        return found if self.escalated else [*found, CASES.c.status != "escalated"]


EVERY = Skills(escalated=True)
"""All cases."""


def skills_of(connection: Connection, account: str) -> Skills:
    """Return the skills of an account, with the right that its role gives.

    A name without an account acts outside the console (the CLI, another console): it may get all cases.
    """
    return all_skills(connection, account).get(account, EVERY)


def all_skills(connection: Connection, account: str = "") -> dict[str, Skills]:
    """Return the skills of each account that decides and is not disabled, by name; with `account` only of that one."""
    query = select(ACCOUNTS.c.name, ACCOUNTS.c.role, SKILLS).outerjoin(SKILLS, SKILLS.c.account == ACCOUNTS.c.name)
    if account:
        query = query.where(ACCOUNTS.c.name == account)
    else:
        query = query.where(ACCOUNTS.c.role.in_(DECIDING), ACCOUNTS.c.disabled.is_(False))
    return {row.name: _skills(row._mapping) for row in connection.execute(query.order_by(ACCOUNTS.c.name))}


def change_skills(connection: Connection, account: str, skills: Skills, by: str, at: float) -> None:
    """Set the skills of an account at `at` (UTC seconds). Raises AccountError if there is no such account."""
    if connection.scalar(select(ACCOUNTS.c.name).where(ACCOUNTS.c.name == account)) is None:
        raise AccountError(f"There is no account {account}", "The console's page Accounts lists them.", text="missing")
    values = msgspec.to_builtins(skills)
    statement = upsert(connection, SKILLS).values(account=account, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=[SKILLS.c.account], set_=values))
    audit_log.append(connection, at, by, "account.skills", account, values)


def _skills(row: object) -> Skills:
    values = {str(name): value for name, value in dict(row).items()}  # type: ignore[call-overload]
    senior = values["role"] in SENIOR
    if values["account"] is None:
        return Skills(escalated=senior)
    found = msgspec.convert(values, Skills)
    return msgspec.structs.replace(found, escalated=found.escalated or senior)
