"""Checks of the work: passed speech drawn for audit, blind second and third opinions, golden cases.

A check is a case like any other in the queue, so that nobody can tell it from one and none of its parts is built twice.
Second and third opinions and golden cases are copies of a decided case; what is decided of a copy is counted, and has
no effect outside. An audit is a case of its own: what is upheld of it is told, as it should have been at first.

Each function runs on a connection whose transaction the caller opened.
"""

from hashlib import sha256
from typing import Literal

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Exists, Select, delete, exists, insert, or_, select, update

from pipeline.errors import CaseError
from pipeline.messages import Verdict
from pipeline.review.cases import reading
from pipeline.review.cases.values import REPORTED
from pipeline.review.tables.core import DECISIONS
from pipeline.review.tables.quality import CHECKS, COPIES, GOLDEN, WAITING

Kind = Literal["audit", "second", "third", "golden"]

FORGET_SECONDS = 90 * 86_400.0
"""After so long a person may get a golden case again."""
FINAL: tuple[Verdict, ...] = ("uphold", "dismiss")


class Check(Struct, frozen=True):
    case_id: str
    kind: Kind
    original: str | None
    """The case it is a copy of; None for an audit."""
    probability: float
    """Of being drawn."""
    drawn_at: float
    done: bool


def drawn(purpose: str, identity: str, share: float) -> bool:
    """Whether `identity` is among the random `share`: by its hash, so that a replay draws the same."""
    digest = sha256(f"{purpose}\x1f{identity}".encode()).digest()
    return int.from_bytes(digest[:8]) < share * 2**64


def of(connection: Connection, case: str) -> Check | None:
    row = connection.execute(select(CHECKS).where(CHECKS.c.case_id == case)).one_or_none()
    return msgspec.convert({str(name): value for name, value in row._mapping.items()}, Check) if row else None


def copied(connection: Connection, case: str) -> bool:
    return connection.execute(COPIES.where(CHECKS.c.case_id == case)).first() is not None


def family(connection: Connection, case: str) -> list[str]:
    """The ids of the case, of what it is a copy of, and of all other copies of that."""
    check = of(connection, case)
    root = check.original if check and check.original else case
    return [root, *connection.scalars(select(CHECKS.c.case_id).where(CHECKS.c.original == root))]


def barred(connection: Connection, account: str, at: float) -> frozenset[str]:
    """The waiting copies that `account` may not decide: it has judged that speech before, or set the golden verdict."""
    return frozenset(connection.scalars(_barred(account, at)))


def allow(connection: Connection, case: str, account: str, at: float) -> None:
    """Raise CaseError where `account` may not decide `case`, for it would check itself."""
    if connection.execute(_barred(account, at).where(CHECKS.c.case_id == case)).first():
        raise CaseError("This case is for somebody else", "Take the next one.")


def note(connection: Connection, case: str, done: bool) -> None:
    """Keep in mind whether a check is decided; nothing for other cases."""
    connection.execute(update(CHECKS).where(CHECKS.c.case_id == case).values(done=done))


def record(connection: Connection, case: str, kind: Kind, original: str | None, probability: float, at: float) -> None:
    values = {"case_id": case, "kind": kind, "original": original, "probability": probability, "drawn_at": at}
    connection.execute(insert(CHECKS).values(values | {"done": False}))


def mark_golden(connection: Connection, case: str, account: str, verdict: Verdict, at: float) -> None:
    """Make a decided case golden, with the verdict that is right; raises CaseError for one that cannot be."""
    found = reading.case(connection, case, lock=True)
    if verdict not in FINAL or found.status != "decided":
        raise CaseError("Only a decided case is golden, as upheld or dismissed", "Decide it first.")
    if found.policy == REPORTED or of(connection, case):
        raise CaseError("A check or a report cannot be golden", "Take a case that was flagged.")
    unmark_golden(connection, case)
    connection.execute(insert(GOLDEN).values(case_id=case, verdict=verdict, account=account, at=at))


def unmark_golden(connection: Connection, case: str) -> None:
    connection.execute(delete(GOLDEN).where(GOLDEN.c.case_id == case))


def golden_verdict(connection: Connection, case: str) -> str | None:
    return connection.execute(select(GOLDEN.c.verdict).where(GOLDEN.c.case_id == case)).scalar_one_or_none()


def _barred(account: str, at: float) -> Select[tuple[str]]:
    sibling = CHECKS.alias()
    judged = or_(
        _judged(account, at, DECISIONS.c.case_id == CHECKS.c.original),
        _judged(account, at, DECISIONS.c.case_id == sibling.c.case_id, sibling.c.original == CHECKS.c.original),
    )
    truth = exists().where(GOLDEN.c.case_id == CHECKS.c.original, GOLDEN.c.account == account)
    return select(CHECKS.c.case_id).where(WAITING, CHECKS.c.original.is_not(None), or_(judged, truth))


def _judged(account: str, at: float, *which: ColumnElement[bool]) -> Exists:
    """Whether `account` has a decision that stands and is not forgotten yet, on a case for which all `which` hold."""
    mine = (DECISIONS.c.moderator == account, DECISIONS.c.undone.is_(None), DECISIONS.c.at >= at - FORGET_SECONDS)
    return exists().where(*mine, *which)
