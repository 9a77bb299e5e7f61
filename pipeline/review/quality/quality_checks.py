"""Checks of quality: audits of passed speech, blind second and third opinions, golden cases.

A check is a normal case in the queue, so a moderator cannot recognise it, and it needs no code of its own. Second
opinions, third opinions and golden cases are copies of a decided case. A decision on a copy counts in the statistics
only. An audit is a new case about passed speech. If a moderator upholds it, the app gets an event, because the speech
should have been flagged.

Each function runs in a transaction that the caller opened.
"""

import hmac
from collections.abc import Collection
from hashlib import sha256
from typing import Literal

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Select, bindparam, delete, exists, insert, or_, select, update

from pipeline.base.errors import CaseError
from pipeline.contract.messages import Verdict
from pipeline.review.cases import reading
from pipeline.review.cases.case_values import REPORTED
from pipeline.review.database import fields_of
from pipeline.review.tables.case_tables import CHECKS, COPIES, DRAW_KEY, GOLDEN, WAITING
from pipeline.review.tables.core import AUDIT, DECISIONS

Kind = Literal["audit", "released", "second", "upheld", "third", "golden"]
"""`released`: an audit of speech that was withheld when it was drawn, and was flagged afterwards. It is no sample.

`upheld`: the second opinion on an audit because it was upheld. `second` ones are drawn at random.
"""
SECONDS: tuple[Kind, ...] = ("second", "upheld")

FORGET_SECONDS = 90 * 86_400.0
"""Seconds after which a person may get the same golden case again."""
FINAL: tuple[Verdict, ...] = ("uphold", "dismiss")

CHECK = select(CHECKS).where(CHECKS.c.case_id == bindparam("case"))
COPIES_OF = select(CHECKS.c.case_id).where(CHECKS.c.original == bindparam("original"))
GOLDEN_VERDICT = select(GOLDEN.c.verdict).where(GOLDEN.c.case_id == bindparam("case"))
COPY = COPIES.where(CHECKS.c.case_id == bindparam("case"))


class Check(Struct, frozen=True):
    """A check. `drawn_at` is UTC seconds, and `done` tells whether it is decided."""

    case_id: str
    kind: Kind
    original: str | None
    """Id of the case that it copies; None for an audit."""
    probability: float
    """The probability of being drawn, above 0 and at most 1."""
    drawn_at: float
    done: bool


def drawn(purpose: str, identity: str, share: float, key: bytes = b"") -> bool:
    """Tell whether `identity` belongs to the random `share` (0 to 1) that is drawn for `purpose`.

    The hash of both decides, so a replay draws the same ids. With a secret `key`, nobody can tell before what is drawn.
    """
    text = f"{purpose}\x1f{identity}".encode()
    digest = hmac.digest(key, text, "sha256") if key else sha256(text).digest()
    # The first 64 bits as a number from 0 to 1: uniform, because the hash is.
    return int.from_bytes(digest[:8]) < share * 2**64


def draw_key(connection: Connection) -> bytes:
    """Return the store's secret key for draws among decisions.

    A moderator knows how the id of a decision is made, and can change it with a note.
    """
    return bytes(connection.scalars(select(DRAW_KEY.c.key)).one())


def check_of(connection: Connection, case: str) -> Check | None:
    """Return the check that this case is; None if the case is no check."""
    row = connection.execute(CHECK, {"case": case}).one_or_none()
    return msgspec.convert(fields_of(row), Check) if row else None


def copied(connection: Connection, case: str) -> bool:
    """Tell whether the case is a copy of another case."""
    return connection.execute(COPY, {"case": case}).first() is not None


def family(connection: Connection, case: str) -> list[str]:
    """Return the ids of the original case and of all its copies. `case` may be the original or a copy."""
    return family_of(connection, case, check_of(connection, case))


def family_of(connection: Connection, case: str, check: Check | None) -> list[str]:
    """Return the same as `family`. `check` is the check that the case is, if it is one."""
    root = check.original if check and check.original else case
    return [root, *connection.scalars(COPIES_OF, {"original": root})]


def barred(connection: Connection, account: str, at: float) -> frozenset[str]:
    """Return the ids of the undecided copies that `account` may not decide at `at` (UTC seconds).

    The account decided the original or another copy of it, or it set the golden verdict.
    """
    return frozenset(connection.scalars(BARRED, {"account": account, "since": at - FORGET_SECONDS}))


def allow(connection: Connection, case: str, account: str, at: float) -> None:
    """Raise CaseError if `account` may not decide `case`, because it would check its own work."""
    given = {"account": account, "since": at - FORGET_SECONDS, "case": case}
    if connection.execute(BARRED_CASE, given).first():
        raise CaseError("This case is for another moderator", "Take the next one.", text="own_check")


def note(connection: Connection, case: str, done: bool) -> None:
    """Store whether a check is decided. Nothing happens for a case that is no check."""
    connection.execute(update(CHECKS).where(CHECKS.c.case_id == case).values(done=done))


def record(connection: Connection, case: str, kind: Kind, original: str | None, probability: float, at: float) -> None:
    """Store that a case is a check of this kind. `original` is the id of the copied case; `at` is UTC seconds."""
    values = {"case_id": case, "kind": kind, "original": original, "probability": probability, "drawn_at": at}
    connection.execute(insert(CHECKS).values(values | {"done": False}))


def release_audits(connection: Connection, cases: Collection[str]) -> None:
    """Take the audits of speech that was passed, and flagged since, out of the sample. `cases` are their case ids."""
    if cases:
        # The sample estimates what was missed. This speech was found after all.
        drawn = (CHECKS.c.case_id.in_(cases), CHECKS.c.kind == "audit")
        connection.execute(update(CHECKS).where(*drawn).values(kind="released"))


def mark_golden(connection: Connection, case: str, account: str, verdict: Verdict, at: float) -> None:
    """Make a decided case golden, with `verdict` as the right one.

    Raises Missing if there is no such case. Raises CaseError if the case is not decided, if it is a check or a report,
    or if the verdict is an escalation.
    """
    found = reading.case(connection, case, lock=True)
    if verdict not in FINAL or found.status != "decided":
        raise CaseError("Only an upheld or dismissed case can be golden", "Decide the case first.", text="golden_open")
    if found.policy == REPORTED or check_of(connection, case):
        raise CaseError(
            "A check or a reported case cannot be golden", "Choose a case that was flagged.", text="golden_reported"
        )
    unmark_golden(connection, case)
    connection.execute(insert(GOLDEN).values(case_id=case, verdict=verdict, account=account, at=at))


def unmark_golden(connection: Connection, case: str) -> None:
    """Make a case no longer golden. Nothing happens if it was not."""
    connection.execute(delete(GOLDEN).where(GOLDEN.c.case_id == case))


def golden_at(connection: Connection, until: float) -> dict[str, str]:
    """Return the right verdicts of the cases that were golden at `until` (UTC seconds), by case.

    The audit log knows the cases that are no longer golden. A mark may be older than the log.
    """
    lines = select(AUDIT.c.subject, AUDIT.c.detail).where(AUDIT.c.action == "case.golden", AUDIT.c.at < until)
    found = {
        case: msgspec.json.decode(detail)["verdict"] for case, detail in connection.execute(lines.order_by(AUDIT.c.seq))
    }
    marked = select(GOLDEN.c.case_id, GOLDEN.c.verdict).where(GOLDEN.c.at < until)
    found |= {row.case_id: row.verdict for row in connection.execute(marked)}
    return {case: verdict for case, verdict in found.items() if verdict}


def golden_verdict(connection: Connection, case: str) -> str | None:
    """Return the right verdict of a golden case; None if the case is not golden."""
    return connection.scalar(GOLDEN_VERDICT, {"case": case})


def _barred() -> Select[tuple[str]]:
    """Return the query for the copies that the parameter `account` may not decide.

    Undone decisions and decisions before the parameter `since` do not count.
    """
    mine = exists().where(
        DECISIONS.c.moderator == bindparam("account"),
        DECISIONS.c.undone.is_(None),
        DECISIONS.c.at >= bindparam("since"),
    )
    sibling = CHECKS.alias()  # another copy of the same original
    known = or_(
        mine.where(DECISIONS.c.case_id == CHECKS.c.original),
        mine.where(DECISIONS.c.case_id == sibling.c.case_id, sibling.c.original == CHECKS.c.original),
        exists().where(GOLDEN.c.case_id == CHECKS.c.original, GOLDEN.c.account == bindparam("account")),
    )
    return select(CHECKS.c.case_id).where(WAITING, CHECKS.c.original.is_not(None), known)


BARRED = _barred()
BARRED_CASE = BARRED.where(CHECKS.c.case_id == bindparam("case"))
