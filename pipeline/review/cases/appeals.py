"""Appeals of users against decisions. Each function runs in a transaction that the caller opened.

A second decision in the same case settles an appeal. A person who had no part in the case makes it. `uphold` keeps the
first decision, `dismiss` overturns it. An undo of the second decision opens the appeal again. The event that goes to
the app names the action to reverse.
"""

import uuid
from typing import Any, Literal

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Select, func, insert, or_, select, update

from pipeline.base.errors import CaseError, Missing, Stale
from pipeline.contract.messages import NAMESPACE, Decision
from pipeline.review import audit_log
from pipeline.review.cases import deciding, eligibility, reading
from pipeline.review.cases.case_values import Case, Choice
from pipeline.review.database import fields_of
from pipeline.review.delivery import event_outbox
from pipeline.review.delivery.events_for_apps import AppealSettled, EventKind
from pipeline.review.quality import quality_checks
from pipeline.review.tables.case_tables import APPEALS
from pipeline.review.tables.core import CASES, DECISIONS

State = Literal["open", "upheld", "overturned"]
PAGE = 100


class Appeal(Struct, frozen=True, kw_only=True):
    """An appeal with its state. Times are UTC seconds."""

    id: str
    case: str
    decision: str
    """Id of the decision that the appeal is against."""
    appellant: str
    statement: str
    created_at: float
    state: State = "open"
    resolution: str | None = None
    """Id of the decision that settled the appeal."""
    settled_at: float | None = None


class Count(Struct, frozen=True):
    """Number of appeals that were settled in a period, and how many of them overturned the decision."""

    settled: int
    overturned: int


def lodge(
    connection: Connection, case: str, appellant: str, statement: str, at: float, undo_seconds: float
) -> tuple[Appeal, bool]:
    """Lodge an appeal against the decision that upheld `case`. Return the appeal, and whether it is new.

    Raises Missing if the case does not exist or is about another speaker; the error is the same, so that a stranger
    learns nothing about the case. Raises CaseError if no decision can be appealed yet.
    """
    found = reading.case(connection, case, lock=True)
    if found.speaker != appellant or quality_checks.copied(connection, case):
        raise Missing(
            f"There is no case {case} of speaker {appellant}",
            "Only the speaker of a case can appeal against it.",
            text="missing_case",
        )
    earlier = of_case(connection, case)
    if earlier:
        return earlier[-1], False  # a case has one appeal at most, so a repeated request gets the first
    against = _appealable(connection, found, at, undo_seconds)
    appeal = Appeal(
        id=str(uuid.uuid5(NAMESPACE, f"appeal\x1f{against.id}")),
        case=case,
        decision=against.id,
        appellant=appellant,
        statement=statement,
        created_at=at,
    )
    stored = {"id": appeal.id, "case_id": case, "decision": against.id, "appellant": appellant}
    connection.execute(insert(APPEALS).values(stored | {"statement": statement, "created_at": at}))
    audit_log.append(connection, at, "app", "appeal.lodge", case, {"appeal": appeal.id, "decision": against.id})
    return appeal, True


def settle(
    connection: Connection, identity: str, reviewer: str, choice: Choice, at: float, undo_seconds: float
) -> Decision:
    """Settle an appeal: `choice.verdict` "uphold" keeps the first decision, "dismiss" overturns it.

    Raises Involved if the reviewer had a part in the case, and Stale if the appeal is already settled. Raises Missing
    if there is no such appeal, and CaseError if the choice is an escalation or has an action.
    """
    if choice.verdict == "escalate" or choice.action:
        raise CaseError(
            "An appeal can only be upheld or overturned, without an action",
            "Decide it, or leave it to another person.",
            text="appeal_choice",
        )
    appeal = get_appeal(connection, identity)
    case = reading.case(connection, appeal.case, lock=True)
    # Read it again under the lock: another reviewer may have settled it meanwhile.
    if get_appeal(connection, identity).state != "open":
        raise Stale("This appeal is already settled", "Take the next one.", text="appeal_settled")
    eligibility.check_fresh(connection, case, reviewer)
    first = next(one for one in reading.decisions(connection, case.id) if one.id == appeal.decision)
    decision = deciding.add_decision(connection, case, reviewer, choice, at)
    connection.execute(update(APPEALS).where(APPEALS.c.id == identity).values(resolution=decision.id))
    _put_event(connection, appeal, case, first, decision, undo_seconds)
    detail = {"appeal": identity, "verdict": choice.verdict, "label": choice.label, "reason": choice.reason}
    detail["decision"] = decision.id
    audit_log.append(connection, at, reviewer, "appeal.settle", case.id, detail)
    return decision


def get_appeal(connection: Connection, identity: str) -> Appeal:
    """Return the appeal with this id. Raises Missing if there is none."""
    found = _appeals(connection, _query().where(APPEALS.c.id == identity))
    if not found:
        raise Missing(f"There is no appeal {identity}", "An appeal is deleted together with its case.")
    return found[0]


def settled_by(connection: Connection, decision: str) -> Appeal | None:
    """Return the appeal that this decision settled; None if it settled none."""
    found = _appeals(connection, _query().where(APPEALS.c.resolution == decision))
    return found[0] if found else None


def of_case(connection: Connection, case: str) -> list[Appeal]:
    """Return the appeals in a case, oldest first."""
    return _appeals(connection, _query().where(APPEALS.c.case_id == case))


def list_open_appeals(
    connection: Connection, after: tuple[float, str] = (0.0, ""), limit: int = PAGE
) -> list[tuple[Appeal, Case]]:
    """Return open appeals with their cases, oldest first.

    `after` is the time and id of the last appeal on the page before.
    """
    place = or_(APPEALS.c.created_at > after[0], (APPEALS.c.created_at == after[0]) & (APPEALS.c.id > after[1]))
    found = _appeals(connection, _query().where(_open(), place).limit(limit))
    rows = connection.execute(select(CASES).where(CASES.c.id.in_({appeal.case for appeal in found})))
    cases = {row.id: reading.case_of(row) for row in rows}
    return [(appeal, cases[appeal.case]) for appeal in found]


def open_count(connection: Connection, most: int | None = None) -> int:
    """Count the open appeals. Counting stops at `most`."""
    found = open_cases().limit(most).subquery()
    return int(connection.execute(select(func.count()).select_from(found)).scalar_one())


def open_cases() -> Select[tuple[str]]:
    """Return a query for the ids of the cases that have an open appeal."""
    return select(APPEALS.c.case_id).select_from(_joined()).where(_open())


def settled(connection: Connection, since: float) -> Count:
    """Count the appeals settled at or after `since` (UTC seconds), and how many overturned the decision."""
    verdicts = select(DECISIONS.c.verdict, func.count().label("count")).select_from(_joined())
    recent = verdicts.where(DECISIONS.c.undone.is_(None), DECISIONS.c.at >= since).group_by(DECISIONS.c.verdict)
    counts = {row._mapping["verdict"]: int(row._mapping["count"]) for row in connection.execute(recent)}
    return Count(sum(counts.values()), counts.get("dismiss", 0))


def _appealable(connection: Connection, case: Case, at: float, undo_seconds: float) -> Decision:
    standing = [one for one in reading.decisions(connection, case.id) if one.undone is None]
    if not standing or standing[-1].verdict != "uphold":
        raise CaseError(f"Case {case.id} is not upheld", "Appeal only against an upheld case.", text="not_upheld")
    # The app has not heard of this decision yet, and it may still vanish.
    if at <= standing[-1].at + undo_seconds:
        raise CaseError(
            f"The moderator can still undo the decision of case {case.id}",
            "Appeal some seconds later.",
            text="undo_first",
        )
    return standing[-1]


def _put_event(
    connection: Connection, appeal: Appeal, case: Case, first: Decision, decision: Decision, undo_seconds: float
) -> None:
    overturned = decision.verdict == "dismiss"
    event = AppealSettled(
        decision=decision,
        room=case.room,
        speaker=case.speaker,
        room_type=case.room_type,
        appeal=appeal.id,
        appellant=appeal.appellant,
        against=first,
        reverse=first.action if overturned else None,
    )
    kind: EventKind = "appeal.overturned" if overturned else "appeal.upheld"
    event_outbox.store_event(connection, kind, decision.id, event.payload(), decision.at, decision.at + undo_seconds)


def _joined() -> Any:
    return APPEALS.outerjoin(DECISIONS, DECISIONS.c.id == APPEALS.c.resolution)


def _open() -> Any:
    return or_(APPEALS.c.resolution.is_(None), DECISIONS.c.undone.is_not(None))


def _query() -> Select[Any]:
    resolution = (DECISIONS.c.verdict, DECISIONS.c.undone, DECISIONS.c.at.label("settled_at"))
    return select(APPEALS, *resolution).select_from(_joined()).order_by(APPEALS.c.created_at, APPEALS.c.id)


def _appeals(connection: Connection, query: Select[Any]) -> list[Appeal]:
    return [_appeal(fields_of(row)) for row in connection.execute(query)]


def _appeal(row: dict[str, Any]) -> Appeal:
    settled = row["verdict"] is not None and row["undone"] is None
    state: State = ("upheld" if row["verdict"] == "uphold" else "overturned") if settled else "open"
    fields = row | {"case": row["case_id"], "state": state}
    return msgspec.convert(fields if settled else fields | {"resolution": None, "settled_at": None}, Appeal)
