"""Who may decide which case: separation of duty, skills, and assignments.

The transaction that changes a case makes the checks, so no page can skip them. `Eligibility` gives the same rules as
conditions in SQL, for the queue. `find_uncovered` counts the open cases for which nobody has the skills.

Skills are the languages, labels and severities that an account may get, and the right to decide escalated cases. Leads
set them. A label that a person does not want is in their own settings (`ViewingLimits`), where no lead sees it.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    FromClause,
    Row,
    and_,
    bindparam,
    exists,
    select,
    union_all,
)

from pipeline.base.errors import AccountError, Involved
from pipeline.review import audit_log
from pipeline.review.accounts import presence
from pipeline.review.accounts.accounts import Role
from pipeline.review.cases.case_values import Case
from pipeline.review.cases.reading import OpenGroup
from pipeline.review.database import fields_of, upsert
from pipeline.review.quality import quality_checks
from pipeline.review.tables.case_tables import APPEALS, REPORTS, VOICES
from pipeline.review.tables.core import ACCOUNTS, CASES, DECISIONS
from pipeline.review.tables.people_tables import ASSIGNMENTS, SKILLS

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
        """Tell whether the account may get this open case or group of cases. `conditions` is the same rule in SQL."""
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
_SKILLS = select(ACCOUNTS.c.name, ACCOUNTS.c.role, SKILLS).outerjoin(SKILLS, SKILLS.c.account == ACCOUNTS.c.name)
ONE_SKILLS = _SKILLS.where(ACCOUNTS.c.name == bindparam("name"))
ALL_SKILLS = _SKILLS.where(ACCOUNTS.c.role.in_(DECIDING), ACCOUNTS.c.disabled.is_(False)).order_by(ACCOUNTS.c.name)
SUBJECT = select(ACCOUNTS.c.oidc_subject).where(ACCOUNTS.c.name == bindparam("name"))
ASSIGNED = select(exists().where(ASSIGNMENTS.c.account == bindparam("name")))


def skills_of(connection: Connection, account: str) -> Skills:
    """Return the skills of an account, with the right that its role gives.

    A name without an account acts outside the console (the CLI, another console): it may get all cases.
    """
    return all_skills(connection, account).get(account, EVERY)


def all_skills(connection: Connection, account: str = "") -> dict[str, Skills]:
    """Return the skills of each account that decides and is enabled, by name. With `account`, return only this one."""
    # Disabled accounts and auditors, too: a name that is not found gets all cases (`skills_of`).
    query = ONE_SKILLS if account else ALL_SKILLS
    return {row.name: _skills(row) for row in connection.execute(query, {"name": account})}


def change_skills(connection: Connection, account: str, skills: Skills, by: str, at: float) -> None:
    """Set the skills of an account at `at` (UTC seconds). Raises AccountError if there is no such account."""
    if connection.scalar(select(ACCOUNTS.c.name).where(ACCOUNTS.c.name == account)) is None:
        raise AccountError(f"There is no account {account}", "The console's page Accounts lists them.", text="missing")
    values = msgspec.to_builtins(skills)
    statement = upsert(connection, SKILLS).values(account=account, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=[SKILLS.c.account], set_=values))
    audit_log.append(connection, at, by, "account.skills", account, values)


def _skills(row: Row[Any]) -> Skills:
    values = fields_of(row)
    senior = values["role"] in SENIOR
    # An outer join without a row: nobody has set the account's skills.
    if values["account"] is None:
        return Skills(escalated=senior)
    found = msgspec.convert(values, Skills)
    return msgspec.structs.replace(found, escalated=found.escalated or senior)


def is_party(connection: Connection, case: Case, account: str) -> bool:
    """Tell whether the account speaks in the case, or reported it."""
    given = {"case": case.id, "users": users_of(connection, account)}
    return connection.scalar(PARTY, given) is not None


def check_party(connection: Connection, case: Case, account: str) -> None:
    """Raise Involved if the account speaks in the case, or reported it."""
    if is_party(connection, case, account):
        raise Involved(
            f"{account} is the speaker or a reporter of case {case.id}",
            "Another moderator must decide it.",
            text="own_case",
        )


def users_of(connection: Connection, account: str) -> frozenset[str]:
    """Return the ids under which the app may know the account's person.

    An account belongs to the user of the app whose id equals the account's name or its `sub` at the identity provider.
    """
    stored = connection.scalar(SUBJECT, {"name": account}) or ""
    _, _, subject = stored.partition(" ")  # stored as "ISSUER SUB"
    # An empty speaker is the whole room, and an empty reporter was not named. Both are no person.
    return frozenset({account, subject} - {""})


def involves(users: Collection[str] | BindParameter[str], cases: FromClause = CASES) -> ColumnElement[bool]:
    """Return the condition on a row of `cases` that one of these users speaks in it, or reported it."""
    own = CASES.alias("own")
    # By the id alone: the queue's index has no speaker, so that a count would read the row of each case.
    parts = (
        select(own.c.id).where(own.c.speaker.in_(users)),
        select(REPORTS.c.case_id).where(REPORTS.c.reporter.in_(users)),
        select(VOICES.c.case_id).where(VOICES.c.speaker.in_(users)),
    )
    return cases.c.id.in_(union_all(*parts))


PARTY = select(CASES.c.id).where(CASES.c.id == bindparam("case"), involves(bindparam("users", expanding=True)))
"""Finds the case if one of the users is a party to it."""


def check_escalated(connection: Connection, case: Case, account: str) -> None:
    """Raise Involved if the case is escalated, and the account escalated it or may not decide escalated cases."""
    if case.status != "escalated":
        return
    if connection.scalar(select(CASES.c.id).where(CASES.c.id == case.id, escalated_by(account))):
        raise Involved(
            f"{account} has escalated case {case.id}", "Another moderator must decide it.", text="own_escalation"
        )
    if not skills_of(connection, account).escalated:
        raise Involved(
            f"Case {case.id} is escalated, and {account} may not decide such cases",
            "A lead decides it, or gives the right.",
            text="escalated",
        )


def check_skills(connection: Connection, case: Case, account: str) -> None:
    """Raise Involved if the account may not get the case, by its language, label or severity."""
    if not skills_of(connection, account).fit(case):
        raise Involved(
            f"Case {case.id} is outside the skills of {account}",
            "A lead can change them, or move the case.",
            text="skills",
        )


def escalated_by(account: str) -> ColumnElement[bool]:
    """Return the condition on a row of CASES that it is escalated and `account` escalated it."""
    theirs = and_(DECISIONS.c.case_id == CASES.c.id, DECISIONS.c.moderator == account, DECISIONS.c.undone.is_(None))
    return and_(CASES.c.status == "escalated", exists().where(theirs))


def check_fresh(connection: Connection, case: Case, account: str) -> None:
    """Raise Involved if the account is the speaker, a reporter, or decided the case before.

    An undone decision and a second opinion count. A decision on an appeal that was undone does not, so that the person
    can settle the appeal again.
    """
    check_party(connection, case, account)
    if account in deciders(connection, case.id):
        raise Involved(
            f"{account} has decided case {case.id} before",
            "Another person must decide the appeal.",
            text="own_decision",
        )


def deciders(connection: Connection, case: str) -> set[str]:
    """Return the accounts that decided the case or a second-opinion copy of it.

    Undone decisions count, unless they were made after the appeal.
    """
    appealed = exists().where(APPEALS.c.case_id == DECISIONS.c.case_id, APPEALS.c.created_at <= DECISIONS.c.at)
    taken_back = and_(DECISIONS.c.undone.is_not(None), appealed)
    theirs = select(DECISIONS.c.moderator).where(
        DECISIONS.c.case_id.in_(quality_checks.family(connection, case)), ~taken_back
    )
    return set(connection.scalars(theirs))


class Eligibility(Struct, frozen=True):
    """The open cases that `account` may get at `at` (UTC seconds), while the accounts `here` are at work."""

    account: str
    skills: Skills
    users: frozenset[str]
    """The ids under which the app may know the account's person."""
    at: float
    here: frozenset[str] = frozenset()

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the conditions on a row of CASES, an open case."""
        found = [*self.skills.conditions(), ~escalated_by(self.account), ~involves(self.users)]
        if others := self.here - {self.account}:
            found.append(~exists().where(ASSIGNMENTS.c.case_id == CASES.c.id, reserved(others, self.at)))
        return found


def eligibility_of(connection: Connection, account: str, at: float) -> Eligibility:
    """Return what `account` may get at `at` (UTC seconds)."""
    users = users_of(connection, account)
    return Eligibility(account, skills_of(connection, account), users, at, presence.people_here(connection, at))


def reserved(accounts: Collection[str], at: float) -> ColumnElement[bool]:
    """Return the condition on a row of ASSIGNMENTS that the case is reserved for one of `accounts` at `at`."""
    return and_(ASSIGNMENTS.c.account.in_(sorted(accounts)), ASSIGNMENTS.c.until > at)


def assigned_to(account: str) -> ColumnElement[bool]:
    """Return the condition on a row of CASES that it is assigned to `account`."""
    return CASES.c.id.in_(select(ASSIGNMENTS.c.case_id).where(ASSIGNMENTS.c.account == account))


def has_assigned(connection: Connection, account: str) -> bool:
    """Tell whether any case is assigned to `account`."""
    return bool(connection.scalar(ASSIGNED, {"name": account}))


def unassigned() -> ColumnElement[bool]:
    """Return the condition on a row of CASES that it is assigned to nobody."""
    return ~exists().where(ASSIGNMENTS.c.case_id == CASES.c.id, ASSIGNMENTS.c.account.is_not(None))


class Uncovered(Struct, frozen=True):
    """Open cases of one language that nobody can take.

    No account may get the cases of `nobody`. The people for the cases of `away` are not here now.
    """

    language: str
    escalated: bool
    nobody: int
    away: int


def find_uncovered(connection: Connection, waiting: Sequence[OpenGroup], at: float) -> list[Uncovered]:
    """Return the cases of the groups `waiting` that nobody can take at `at` (UTC seconds), by language, most first."""
    everybody, here = all_skills(connection), presence.people_here(connection, at)
    nobody = _outside(waiting, everybody.values())
    away = _outside(waiting, [has for name, has in everybody.items() if name in here]) - nobody
    found = [Uncovered(*group, nobody[group], away[group]) for group in nobody.keys() | away.keys()]
    return sorted(found, key=lambda one: (-one.nobody, -one.away, one.language, one.escalated))


def _outside(waiting: Iterable[OpenGroup], people: Iterable[Skills]) -> Counter[tuple[str, bool]]:
    """Count the cases outside the skills of all these people, by language and whether they are escalated."""
    skilled, counts = set(people), Counter[tuple[str, bool]]()
    for group in waiting:
        if not any(has.fit(group) for has in skilled):
            counts[group.language, group.status == "escalated"] += group.open
    return counts
