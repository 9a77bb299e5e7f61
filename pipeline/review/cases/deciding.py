"""Decisions on cases, and their undo. Each function runs in a transaction that the caller opened.

The event about a decision waits in the outbox until the undo window is over.
"""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace
from sqlalchemy import Connection, delete, func, insert, select, update

from pipeline.base.errors import CaseError, Missing, Stale
from pipeline.contract.messages import TIMED, Decision, Verdict
from pipeline.review import audit_log
from pipeline.review.cases import eligibility, reading, repeated_speech
from pipeline.review.cases.case_values import Case, Choice, Status, check_decision, columns, decision_id
from pipeline.review.cases.speaker_measures import Measures
from pipeline.review.delivery import event_outbox
from pipeline.review.delivery.events_for_apps import CaseDecided, about_case
from pipeline.review.quality import quality_checks
from pipeline.review.tables.core import CASES, DECISIONS, LEASES

STATUS_AFTER: dict[Verdict, Status] = {"uphold": "decided", "dismiss": "decided", "escalate": "escalated"}

UNDO_SECONDS = 10.0
"""The undo window: the time in which moderators can undo their own decisions, in seconds."""


def decide(
    connection: Connection,
    case: str,
    moderator: str,
    choice: Choice,
    at: float,
    *,
    version: int | None = None,
    undo_seconds: float = UNDO_SECONDS,
    measures: Measures | None = None,
) -> Decision:
    """Decide a case at the time `at` (UTC seconds). The same decision sent again returns the first one.

    With `measures`, the decision has the speaker's strikes and the notice to them.

    Raises Missing if there is no such case, and CaseError if it is decided or the choice is not allowed. Raises Stale
    if the case has changed since `version`, and Involved if the moderator must not decide it.
    """
    decision, new = _decide(connection, case, moderator, choice, at, version, undo_seconds, measures)
    if new:
        _log(connection, decision)
    return decision


def made_before(connection: Connection, case: str, moderator: str, choice: Choice) -> Decision | None:
    """Return the decision if the moderator made the same one, and it is not undone. Its answer may have been lost."""
    return _repeated(reading.decisions(connection, case), case, moderator, choice)


def _repeated(earlier: Sequence[Decision], case: str, moderator: str, choice: Choice) -> Decision | None:
    identity = decision_id(choice, case, moderator, _attempt(earlier))
    return next((one for one in earlier if one.id == identity), None)


def _attempt(earlier: Sequence[Decision]) -> int:
    return sum(one.undone is not None for one in earlier)


def _decide(
    connection: Connection,
    case: str,
    moderator: str,
    choice: Choice,
    at: float,
    version: int | None,
    undo_seconds: float,
    measures: Measures | None,
) -> tuple[Decision, bool]:
    """Decide a case without a line in the audit log. Return the decision, and whether it is new."""
    found = reading.case(connection, case, lock=True)
    earlier = reading.decisions(connection, case)
    decision = _decision(case, moderator, choice, at, _attempt(earlier))
    # Before the check of the status: a request that is sent again must get its first answer, and no error.
    if again := _repeated(earlier, case, moderator, choice):
        return again, False
    if found.status == "decided":
        raise CaseError(
            f"Case {case} is already decided", f"`voxwarden cases show {case}` shows who decided it.", text="decided"
        )
    if version not in {None, found.version}:
        raise Stale(f"Case {case} has changed", "Look at the changes, then decide again.", text="changed")
    quality_checks.allow(connection, case, moderator, at)
    eligibility.check_party(connection, found, moderator)
    eligibility.check_escalated(connection, found, moderator)
    decision = _with_measures(connection, found, choice, decision, measures)
    _store(connection, found, earlier, decision)
    # The app knows nothing of copies.
    if not quality_checks.copied(connection, case):
        _put_event(connection, found, decision, undo_seconds)
    return decision, True


def _log(connection: Connection, decision: Decision) -> None:
    detail: dict[str, Any] = {name: getattr(decision, name) for name in ("verdict", "label", "reason", "action")}
    if decision.duration_seconds is not None:
        detail["duration_seconds"] = decision.duration_seconds
    detail["decision"] = decision.id
    audit_log.append(connection, decision.at, decision.moderator, "case.decide", decision.case, detail)


def decide_all(
    connection: Connection,
    cases: Sequence[Case],
    moderator: str,
    choice: Choice,
    at: float,
    undo_seconds: float = UNDO_SECONDS,
    measures: Measures | None = None,
) -> list[Decision]:
    """Decide all these cases, each in the version given here. Raises as `decide`; then the caller decides none.

    All cases are locked before the first change, and the log after the last one: the order of locks holds.
    """
    reading.locked(connection, [case.id for case in cases])
    made = [_decide(connection, case.id, moderator, choice, at, case.version, undo_seconds, measures) for case in cases]
    for decision, new in made:
        if new:
            _log(connection, decision)
    return [decision for decision, _ in made]


def add_decision(
    connection: Connection,
    case: Case,
    moderator: str,
    choice: Choice,
    at: float,
    measures: Measures | None = None,
) -> Decision:
    """Store one more decision in a case that the caller has locked, decided or not. The last decision holds.

    This function puts no event into the outbox.
    """
    earlier = reading.decisions(connection, case.id)
    # All decisions count as attempts here: the same person may correct with the same choice on purpose.
    decision = _decision(case.id, moderator, choice, at, len(earlier))
    decision = _with_measures(connection, case, choice, decision, measures)
    _store(connection, case, earlier, decision)
    return decision


def undo(
    connection: Connection, identity: str, moderator: str, at: float, undo_seconds: float = UNDO_SECONDS
) -> Decision:
    """Undo a decision at the time `at` (UTC seconds).

    Raises Missing if there is no such decision. Raises CaseError if another moderator made it, if a later decision
    holds, or if the undo window is over.
    """
    undone = _undo(connection, identity, moderator, at, undo_seconds)
    audit_log.append(connection, at, moderator, "case.undo", undone.case, {"decision": identity})
    return undone


def _undo(connection: Connection, identity: str, moderator: str, at: float, undo_seconds: float) -> Decision:
    row = connection.execute(select(DECISIONS.c.case_id).where(DECISIONS.c.id == identity)).one_or_none()
    if row is None:
        raise Missing(f"There is no decision {identity}", "Nothing was undone.")
    # Lock the case before its decisions are read, because another person may decide it meanwhile.
    found = reading.case(connection, row.case_id, lock=True)
    standing = [one for one in reading.decisions(connection, found.id) if one.undone is None]
    if not standing or standing[-1].id != identity or standing[-1].moderator != moderator:
        raise CaseError(
            f"Decision {identity} is not the last one of its case, or another moderator made it",
            "Nothing was undone.",
            text="not_last",
        )
    if at > standing[-1].at + undo_seconds:
        raise CaseError(
            f"The time to undo decision {identity} is over", "A lead can still correct it.", text="undo_over"
        )
    take_back(connection, found, standing, standing[-1:], at)
    return standing[-1]


def take_back(
    connection: Connection, case: Case, standing: Sequence[Decision], taken: Sequence[Decision], at: float
) -> None:
    """Mark the decisions `taken` of a locked case as undone at `at`. `standing` are all that stood until then."""
    ids = [one.id for one in taken]
    connection.execute(update(DECISIONS).where(DECISIONS.c.id.in_(ids)).values(undone=at))
    _update_case(connection, case, [one for one in standing if one.id not in ids])
    for identity in ids:
        event_outbox.withdraw(connection, identity, at)


def undo_all(
    connection: Connection,
    decisions: Sequence[Decision],
    moderator: str,
    at: float,
    undo_seconds: float = UNDO_SECONDS,
) -> None:
    """Undo all these decisions. Raises as `undo`; then the caller undoes none."""
    reading.locked(connection, [one.case for one in decisions])
    undone = [_undo(connection, one.id, moderator, at, undo_seconds) for one in decisions]
    for one in undone:
        audit_log.append(connection, at, moderator, "case.undo", one.case, {"decision": one.id})


def last_of(connection: Connection, moderator: str, since: float) -> list[Decision]:
    """Return the moderator's newest decision at or after `since` (UTC seconds); none if there is none.

    After a bulk decision, return all its decisions. Undone decisions are left out.
    """
    mine = (DECISIONS.c.moderator == moderator, DECISIONS.c.undone.is_(None))
    newest = select(func.max(DECISIONS.c.at)).where(DECISIONS.c.at >= since, *mine).scalar_subquery()
    # `decide_all` gives all its decisions the same time.
    query = select(DECISIONS).where(DECISIONS.c.at == newest, *mine).order_by(DECISIONS.c.id)
    return list(reading.decisions_of(connection, query))


def _with_measures(
    connection: Connection, case: Case, choice: Choice, decision: Decision, measures: Measures | None
) -> Decision:
    if measures is None:
        return decision
    strikes, notice = measures.follow(connection, case, choice, decision.at)
    return replace(decision, strikes=strikes, notice=notice)


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
        duration_seconds=choice.duration_seconds,
        at=at,
    )
    check_decision(decision)
    if choice.action and choice.verdict != "uphold":
        raise CaseError(
            f"The action {choice.action} needs the verdict uphold",
            "Uphold the case, or leave the action out.",
            text="action_needs_uphold",
        )
    if choice.duration_seconds is not None and choice.action not in TIMED:
        raise CaseError(
            f"The action {choice.action} has no duration",
            f"Only {' and '.join(TIMED)} have one; leave it out.",
            text="action_no_duration",
        )
    return decision


def _store(connection: Connection, case: Case, earlier: Sequence[Decision], decision: Decision) -> None:
    connection.execute(insert(DECISIONS).values(columns(decision)))
    # The work on the case is done. An escalated case is free for others.
    connection.execute(delete(LEASES).where(LEASES.c.case_id == case.id))
    _update_case(connection, case, [*earlier, decision])


def _update_case(connection: Connection, case: Case, decisions: Sequence[Decision]) -> None:
    """Update status, verdict and version of a case. Undone decisions do not count."""
    standing = [one for one in decisions if one.undone is None]
    verdict = standing[-1].verdict if standing else None
    status = STATUS_AFTER[verdict] if verdict else "pending"
    change = update(CASES).where(CASES.c.id == case.id)
    connection.execute(change.values(status=status, verdict=verdict, version=case.version + 1))
    quality_checks.note(connection, case.id, done=status == "decided")
    if status != "decided":
        repeated_speech.unlink_flags(connection, case.id)


def _put_event(connection: Connection, case: Case, decision: Decision, undo_seconds: float) -> None:
    event = CaseDecided(**about_case(case, decision))
    event_outbox.store_event(
        connection, "case.decided", decision.id, event.payload(), decision.at, decision.at + undo_seconds
    )
