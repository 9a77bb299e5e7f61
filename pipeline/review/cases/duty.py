"""Separation of duty: who may not act in a case. Asked in the transaction that acts; no page can go around it."""

from sqlalchemy import ColumnElement, Connection, and_, exists, select

from pipeline.errors import Involved
from pipeline.review.cases.values import Case
from pipeline.review.quality import checks
from pipeline.review.tables.core import ACCOUNTS, CASES, DECISIONS
from pipeline.review.tables.rights import REPORTS


def check_party(connection: Connection, case: Case, account: str) -> None:
    """Raise Involved when the account is the case's speaker, or has reported it.

    An account is the user of the app that has its name, or its subject at the identity provider.
    """
    stored = connection.scalar(select(ACCOUNTS.c.oidc_subject).where(ACCOUNTS.c.name == account)) or ""
    _, _, subject = stored.partition(" ")  # behind the issuer
    reporters = connection.scalars(select(REPORTS.c.reporter).where(REPORTS.c.case_id == case.id))
    # Nobody is the whole room, or a reporter who was not named.
    if {account, subject} & {case.speaker, *reporters} - {""}:
        raise Involved(f"{account} is a party of case {case.id}", "Somebody else has to decide it.")


def check_escalated(connection: Connection, case: Case, account: str) -> None:
    """Raise Involved when the case waits for somebody else because the account has escalated it."""
    if connection.scalar(select(CASES.c.id).where(CASES.c.id == case.id, escalated_by(account))):
        raise Involved(f"{account} has escalated case {case.id}", "Somebody else has to decide it.")


def escalated_by(account: str) -> ColumnElement[bool]:
    """Of a row of CASES: it is escalated, and the account has done so."""
    theirs = and_(DECISIONS.c.case_id == CASES.c.id, DECISIONS.c.moderator == account, DECISIONS.c.undone.is_(None))
    return and_(CASES.c.status == "escalated", exists().where(theirs))


def check_fresh(connection: Connection, case: Case, account: str) -> None:
    """Raise Involved when the account is a party, or has decided the case before.

    A decision that was taken back, a second review and the decision of an earlier appeal all count.
    """
    check_party(connection, case, account)
    if account in deciders(connection, case.id):
        raise Involved(f"{account} has decided in case {case.id} before", "Somebody else has to decide the appeal.")


def deciders(connection: Connection, case: str) -> set[str]:
    """Everybody who decided the case, or a copy of it that was made for a second opinion."""
    family = checks.family(connection, case)
    return set(connection.scalars(select(DECISIONS.c.moderator).where(DECISIONS.c.case_id.in_(family))))
