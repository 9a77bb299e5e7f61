"""Deciding a case, and taking that back. Each function runs on a connection whose transaction the caller opened.

What a decision sets going (webhooks) waits in the outbox until the undo window has passed.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from pipeline.errors import CaseError, Missing, Stale
from pipeline.messages import Decision, Verdict
from pipeline.review import audit
from pipeline.review.cases import duty, reading, repeated
from pipeline.review.cases.values import Case, Choice, Status, check_decision, decision_id
from pipeline.review.cases.writing import columns
from pipeline.review.delivery import outbox
from pipeline.review.quality import checks
from pipeline.review.tables.core import CASES, DECISIONS, LEASES

STATUS_AFTER: dict[Verdict, Status] = {"uphold": "decided", "dismiss": "decided", "escalate": "escalated"}

UNDO_SECONDS = 10.0
"""How long a decision can be taken back by whoever made it."""


def decide(
    connection: Connection,
    case: str,
    moderator: str,
    choice: Choice,
    at: float,
    *,
    version: int | None = None,
    undo_seconds: float = UNDO_SECONDS,
) -> Decision:
    """Decide; raises CaseError where that cannot be, Stale where the case is not `version` any more."""
    found = reading.case(connection, case, lock=True)
    earlier = reading.decisions(connection, case)
    decision = _decision(case, moderator, choice, at, sum(one.undone is not None for one in earlier))
    if again := next((one for one in earlier if one.id == decision.id), None):
        return again
    if found.status == "decided":
        raise CaseError(f"Case {case} is decided already", f"`voxwarden cases show {case}` tells by whom.")
    if version not in {None, found.version}:
        raise Stale(f"Case {case} has changed", "Look at what was added, then decide again.")
    checks.allow(connection, case, moderator, at)
    duty.check_party(connection, found, moderator)
    duty.check_escalated(connection, found, moderator)
    _enter(connection, found, earlier, decision)
    if not checks.copied(connection, case):
        _tell(connection, found, decision, undo_seconds)
    detail = {"verdict": choice.verdict, "label": choice.label, "reason": choice.reason, "action": choice.action}
    audit.append(connection, at, moderator, "case.decide", case, detail | {"decision": decision.id})
    return decision


def add(connection: Connection, case: Case, moderator: str, choice: Choice, at: float) -> Decision:
    """One more decision in a case that is locked, decided or not; the last one stands. Nothing is told of it."""
    earlier = reading.decisions(connection, case.id)
    decision = _decision(case.id, moderator, choice, at, sum(one.undone is not None for one in earlier))
    _enter(connection, case, earlier, decision)
    return decision


def undo(
    connection: Connection, identity: str, moderator: str, at: float, undo_seconds: float = UNDO_SECONDS
) -> Decision:
    """Take a decision back; raises CaseError when it is somebody else's, too old, or not the case's last."""
    row = connection.execute(select(DECISIONS.c.case_id).where(DECISIONS.c.id == identity)).one_or_none()
    if row is None:
        raise Missing(f"No decision {identity}", "Nothing was undone.")
    found = reading.case(connection, row.case_id, lock=True)
    standing = [one for one in reading.decisions(connection, found.id) if one.undone is None]
    if not standing or standing[-1].id != identity or standing[-1].moderator != moderator:
        raise CaseError(f"Decision {identity} is not the last one of its case, or not yours", "Nothing was undone.")
    if at > standing[-1].at + undo_seconds:
        raise CaseError(f"The time to undo decision {identity} is over", "An appeal can still overturn it.")
    connection.execute(update(DECISIONS).where(DECISIONS.c.id == identity).values(undone=at))
    _settle(connection, found, standing[:-1])
    outbox.withdraw(connection, identity, at)
    audit.append(connection, at, moderator, "case.undo", found.id, {"decision": identity})
    return standing[-1]


def last_of(connection: Connection, moderator: str, since: float) -> list[Decision]:
    """The moderator's newest standing decision at or after `since` (UTC seconds), and all that were made with it."""
    mine = (DECISIONS.c.moderator == moderator, DECISIONS.c.undone.is_(None))
    newest = select(func.max(DECISIONS.c.at)).where(DECISIONS.c.at >= since, *mine).scalar_subquery()
    query = select(DECISIONS).where(DECISIONS.c.at == newest, *mine).order_by(DECISIONS.c.id)
    return list(reading.decisions_of(connection, query))


def _decision(case: str, moderator: str, choice: Choice, at: float, attempt: int) -> Decision:
    decision = Decision(
        id=decision_id(choice, case, moderator, attempt),
        case=case,
        moderator=moderator,
        verdict=choice.verdict,
        label=choice.label,
        reason=choice.reason,
        note=choice.note,
        action=choice.action,
        at=at,
    )
    check_decision(decision)
    if choice.action and choice.verdict != "uphold":
        raise CaseError(f"{choice.action} goes with uphold only", "Uphold the case, or leave the action out.")
    return decision


def _enter(connection: Connection, case: Case, earlier: Sequence[Decision], decision: Decision) -> None:
    connection.execute(insert(DECISIONS).values(columns(decision)))
    connection.execute(delete(LEASES).where(LEASES.c.case_id == case.id))
    _settle(connection, case, [*earlier, decision])


def _settle(connection: Connection, case: Case, decisions: Sequence[Decision]) -> None:
    """The columns of a case that follow from the decisions that stand."""
    standing = [one for one in decisions if one.undone is None]
    verdict = standing[-1].verdict if standing else None
    status = STATUS_AFTER[verdict] if verdict else "pending"
    change = update(CASES).where(CASES.c.id == case.id)
    connection.execute(change.values(status=status, verdict=verdict, version=case.version + 1))
    checks.note(connection, case.id, done=status == "decided")
    if status != "decided":
        repeated.reopen(connection, case.id)


def _tell(connection: Connection, case: Case, decision: Decision, undo_seconds: float) -> None:
    about: dict[str, Any] = {"room": case.room, "speaker": case.speaker, "room_type": case.room_type}
    about |= {"start": case.start, "end": case.end, "label": decision.label or case.label}
    payload = {"decision": columns(decision), **about}
    outbox.put(connection, "case.decided", decision.id, payload, decision.at, decision.at + undo_seconds)
