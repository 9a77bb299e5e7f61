"""How actions in rooms end: confirmed by the app, or carried out by Voxwarden itself, for decisions and rules on flags.

Each function runs in a transaction that the caller opened. A decision has at most one confirmation: `done` is final,
and replaces an earlier `failed`. An action is asked for until a row of ENFORCEMENTS says that it is done, or that it
failed. A mute is planned before it takes a right, so that a crash cannot lose what to give back. It is in force from
then on until it is lifted.
"""

from typing import Any, Literal

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, FromClause, and_, delete, exists, func, insert, or_, select, update

from pipeline.base.errors import CaseError, Missing
from pipeline.contract.messages import Action, Suggestion
from pipeline.review import audit_log
from pipeline.review.database import fields_of, put_new
from pipeline.review.tables.assessment_tables import ACTIONS, DRILL_LINES, DRILLS
from pipeline.review.tables.case_tables import APPEALS, COPIES, ENFORCEMENTS
from pipeline.review.tables.core import CASES, DECISIONS, FLAGS

ACTOR = "livekit"
IN_FORCE = ("planned", "done")
"""The states of a mute that may have taken a right."""

Ending = Literal["expired", "undone", "overturned"]
"""Why a mute ended: its time is over, its decision was undone, or a later decision or the review says otherwise."""

Result = Literal["done", "failed"]


class Confirmation(Struct, frozen=True, kw_only=True):
    """The result of an action, as the app reports it. Times are UTC seconds."""

    decision: str
    """Id of the decision, from the event `case.decided`."""
    action: Action
    result: Result
    at: float
    """When the app carried it out, or gave up."""
    received_at: float
    detail: str = ""
    """The reason of a failure, in the app's words. No names."""


def confirm(connection: Connection, given: Confirmation, actor: str = "app") -> tuple[Confirmation, bool]:
    """Store a confirmation of `actor`. Return the one that holds, and whether it is new.

    Raises Missing for an unknown decision, and CaseError if the decision asked for another action, or for none.
    """
    query = select(DECISIONS.c.case_id, DECISIONS.c.action).where(DECISIONS.c.id == given.decision)
    # Locked: two confirmations of one decision must come one after the other.
    decision = connection.execute(query.with_for_update()).one_or_none()
    if decision is None:
        raise Missing(f"There is no decision {given.decision}", "Send the decision's id from the event case.decided.")
    if decision.action != given.action:
        raise CaseError(
            f"The decision {given.decision} asks for {decision.action or 'no action'}, not {given.action}",
            "Confirm the action of the event.",
        )
    held = confirmation_of(connection, given.decision)
    # `done` is final, and a second `failed` says nothing new.
    if held and (held.result == "done" or given.result == "failed"):
        return held, False
    connection.execute(delete(ACTIONS).where(ACTIONS.c.decision == given.decision))
    connection.execute(insert(ACTIONS).values({name: getattr(given, name) for name in given.__struct_fields__}))
    if given.result == "done":
        _note_stopped(connection, decision.case_id, given.at)
    detail = {"decision": given.decision, "action": given.action, "at": given.at}
    audit_log.append(connection, given.received_at, actor, f"action.{given.result}", decision.case_id, detail)
    return given, True


def confirmation_of(connection: Connection, decision: str) -> Confirmation | None:
    """Return the confirmation of a decision; None if there is none."""
    row = connection.execute(select(ACTIONS).where(ACTIONS.c.decision == decision)).one_or_none()
    return Confirmation(**fields_of(row)) if row else None


def _note_stopped(connection: Connection, case_id: str, at: float) -> None:
    """Write that the app stopped the room of a case at `at` (UTC seconds), if the case belongs to a stop drill.

    The line keeps the time after retention has deleted the case.
    """
    query = select(CASES.c.drill, CASES.c.room).join(DRILLS, DRILLS.c.id == CASES.c.drill)
    found = connection.execute(query.where(CASES.c.id == case_id, DRILLS.c.kind == "stop")).one_or_none()
    if found:
        line = update(DRILL_LINES).where(DRILL_LINES.c.drill == found.drill, DRILL_LINES.c.room == found.room)
        connection.execute(line.values(stored_at=at))


class Enforcement(Struct, frozen=True, kw_only=True):
    """An action to carry out. `asked_at` is when it was decided, or when the flag was stored (UTC seconds)."""

    id: str
    """Id of the decision or of the flag."""
    case: str
    room: str
    speaker: str
    """Empty: the whole room."""
    action: Action
    label: str
    asked_at: float
    duration_seconds: float | None = None
    """Seconds of a mute. None: the settings decide."""
    notice: str = ""
    """What the speaker is told, in the speaker's language."""
    decided: bool
    """True: by a decision. False: by a rule."""


class FlaggedSpeech(Struct, frozen=True, kw_only=True):
    """What rules need to know of a flag. `stored_at` is UTC seconds."""

    id: str
    case: str
    room: str
    speaker: str
    suggestion: Suggestion
    flagged: tuple[str, ...]
    stored_at: float
    act: tuple[str, ...] = ()


class Mute(Struct, frozen=True, kw_only=True):
    """A mute in force. `permission` is what to give back, None if there is nothing."""

    id: str
    case: str
    room: str
    speaker: str
    until: float
    permission: dict[str, Any] | None
    ending: Ending | None
    """Why it must end now; None: only its time limits it."""


class Enforced(Struct, frozen=True, kw_only=True):
    """A result for the page of a case. Times are UTC seconds."""

    action: Action
    state: Literal["done", "failed", "lifted"]
    at: float
    until: float | None
    decided: bool


def waiting_actions(connection: Connection, since: float) -> list[Enforcement]:
    """Return the actions of decisions since `since` (UTC seconds) that wait. Actions that the app confirmed do not."""
    confirmed = select(ACTIONS.c.decision).where(ACTIONS.c.decision == DECISIONS.c.id).exists()
    label = func.coalesce(DECISIONS.c.label, CASES.c.label).label("label")
    query = (
        select(DECISIONS.c.id, DECISIONS.c.action, DECISIONS.c.at, DECISIONS.c.case_id, CASES.c.room, CASES.c.speaker)
        .add_columns(label, DECISIONS.c.duration_seconds, DECISIONS.c.notice)
        .join(CASES)
        .where(DECISIONS.c.at >= since, DECISIONS.c.action.is_not(None), DECISIONS.c.undone.is_(None))
        # The verdict of the case, because an appeal may have overturned the decision since.
        .where(CASES.c.id.not_in(COPIES), CASES.c.verdict == "uphold", ~_settled(DECISIONS.c.id), ~confirmed)
        .where(~_replaced(), ~_repeated())
        .order_by(DECISIONS.c.at)
    )
    return [
        Enforcement(
            id=row.id,
            case=row.case_id,
            room=row.room,
            speaker=row.speaker,
            action=row.action,
            label=row.label,
            asked_at=row.at,
            duration_seconds=row.duration_seconds,
            notice=row.notice,
            decided=True,
        )
        for row in connection.execute(query)
    ]


def flagged(connection: Connection, since: float) -> list[FlaggedSpeech]:
    """Return the flags to review or block that were stored since `since` (UTC seconds), without drills.

    A flag of speech that was decided before asks for nothing new.
    """
    query = (
        select(FLAGS)
        .where(FLAGS.c.stored_at >= since, FLAGS.c.suggestion != "pass", FLAGS.c.drill == "", ~FLAGS.c.linked)
        .where(~_settled(FLAGS.c.id))
        .order_by(FLAGS.c.stored_at)
    )
    return [
        FlaggedSpeech(
            id=row.id,
            case=row.case_id,
            room=row.room,
            speaker=row.speaker,
            suggestion=row.suggestion,
            flagged=tuple(row.flagged),
            stored_at=row.stored_at,
            act=tuple(row.act or ()),
        )
        for row in connection.execute(query)
    ]


def plan(connection: Connection, given: Enforcement, at: float, until: float, permission: dict[str, Any]) -> None:
    """Record that a mute is about to take `permission` from the speaker until `until` (UTC seconds)."""
    if _case_of(connection, given) is not None:
        # After a crash there is a plan already. It stays: by now the mute may have taken the permission.
        put_new(connection, ENFORCEMENTS, _row(given, "planned", at, until) | {"permission": permission})


def settle(
    connection: Connection,
    given: Enforcement,
    at: float,
    *,
    failure: str = "",
    until: float | None = None,
) -> None:
    """Record that an action was carried out at `at` (UTC seconds), or that it failed because of `failure`.

    A mute has an end, `until`. An action of a decision is confirmed as the app would do it. If the case was deleted
    meanwhile, nothing is recorded.
    """
    state: Result = "failed" if failure else "done"
    case = _case_of(connection, given)
    if case is None or not _store(connection, _row(given, state, at, until) | {"detail": failure}):
        return  # the case was deleted, or another process was faster
    if given.decided:
        confirmation = Confirmation(
            decision=given.id, action=given.action, result=state, at=at, received_at=at, detail=failure
        )
        confirm(connection, confirmation, ACTOR)
    else:
        audit_log.append(
            connection, at, ACTOR, f"action.{state}", case, {"flag": given.id, "action": given.action, "at": at}
        )


def mutes(connection: Connection) -> list[Mute]:
    """Return the mutes in force."""
    case = func.coalesce(DECISIONS.c.case_id, FLAGS.c.case_id)
    joined = ENFORCEMENTS.outerjoin(DECISIONS).outerjoin(FLAGS, FLAGS.c.id == ENFORCEMENTS.c.flag)
    decided = ENFORCEMENTS.c.decision.is_not(None)
    overturned = or_(
        # coalesce: without a decision the verdict is NULL, for which `!=` is not true.
        and_(decided, or_(func.coalesce(CASES.c.verdict, "") != "uphold", _replaced())),
        and_(~decided, func.coalesce(CASES.c.verdict, "") == "dismiss"),
    )
    query = (
        select(ENFORCEMENTS.c.id, ENFORCEMENTS.c.until, ENFORCEMENTS.c.permission, CASES.c.id.label("case"))
        .add_columns(CASES.c.room, CASES.c.speaker, DECISIONS.c.undone, overturned.label("overturned"))
        .select_from(joined.join(CASES, CASES.c.id == case))
        .where(ENFORCEMENTS.c.state.in_(IN_FORCE), ENFORCEMENTS.c.until.is_not(None))
        .order_by(ENFORCEMENTS.c.at)
    )
    return [
        Mute(
            id=row.id,
            case=row.case,
            room=row.room,
            speaker=row.speaker,
            until=row.until,
            permission=row.permission,
            ending="undone" if row.undone is not None else "overturned" if row.overturned else None,
        )
        for row in connection.execute(query)
    ]


def lift(connection: Connection, mute: Mute, why: Ending, at: float) -> None:
    """Record that a mute ended at `at` (UTC seconds)."""
    change = update(ENFORCEMENTS).where(ENFORCEMENTS.c.id == mute.id, ENFORCEMENTS.c.state.in_(IN_FORCE))
    # Another process may have lifted it already. One line in the log is enough.
    if connection.execute(change.values(state="lifted", detail=why)).rowcount:
        audit_log.append(
            connection, at, ACTOR, "action.lifted", mute.case, {"action": "mute", "why": why, "of": mute.id}
        )


def keep_permission(connection: Connection, mute: Mute, permission: dict[str, Any]) -> None:
    """Record the permission to give back at the end of a mute that had taken nothing so far."""
    connection.execute(update(ENFORCEMENTS).where(ENFORCEMENTS.c.id == mute.id).values(permission=permission))


def of_case(connection: Connection, case: str) -> list[Enforced]:
    """Return the actions about a case, oldest first."""
    query = (
        select(ENFORCEMENTS)
        .outerjoin(DECISIONS)
        .outerjoin(FLAGS, FLAGS.c.id == ENFORCEMENTS.c.flag)
        .where(or_(DECISIONS.c.case_id == case, FLAGS.c.case_id == case), ENFORCEMENTS.c.state != "planned")
        .order_by(ENFORCEMENTS.c.at, ENFORCEMENTS.c.id)
    )
    return [
        Enforced(action=row.action, state=row.state, at=row.at, until=row.until, decided=row.decision is not None)
        for row in connection.execute(query)
    ]


def _replaced() -> ColumnElement[bool]:
    """Return the condition on a row of DECISIONS that a later correction of its case has another action.

    A decision on an appeal has no action, and replaces none.
    """
    later = DECISIONS.alias("later")
    settled = select(APPEALS.c.resolution).where(APPEALS.c.resolution.is_not(None))
    return exists().where(*_after(later, DECISIONS), ~_same_action(later), later.c.id.not_in(settled))


def _repeated() -> ColumnElement[bool]:
    """Return the condition on a row of DECISIONS that the decision before it in its case has the same action."""
    earlier, between = DECISIONS.alias("earlier"), DECISIONS.alias("between")
    others = exists().where(*_after(between, earlier), between.c.at < DECISIONS.c.at, ~_same_action(between))
    return exists().where(*_after(DECISIONS, earlier), earlier.c.undone.is_(None), _same_action(earlier), ~others)


def _after(later: FromClause, earlier: FromClause) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that a standing final decision is later than another one of its case."""
    same = (later.c.case_id == earlier.c.case_id, later.c.at > earlier.c.at)
    return *same, later.c.undone.is_(None), later.c.verdict.in_(("uphold", "dismiss"))


def _same_action(other: FromClause) -> ColumnElement[bool]:
    seconds = func.coalesce(other.c.duration_seconds, 0.0) == func.coalesce(DECISIONS.c.duration_seconds, 0.0)
    return and_(func.coalesce(other.c.action, "") == func.coalesce(DECISIONS.c.action, ""), seconds)


def _settled(identity: ColumnElement[str]) -> ColumnElement[bool]:
    rows = select(ENFORCEMENTS.c.id).where(ENFORCEMENTS.c.id == identity, ENFORCEMENTS.c.state != "planned")
    return rows.exists()


def _case_of(connection: Connection, given: Enforcement) -> str | None:
    source = DECISIONS if given.decided else FLAGS
    found: str | None = connection.scalar(select(source.c.case_id).where(source.c.id == given.id))
    return found


def _row(given: Enforcement, state: str, at: float, until: float | None) -> dict[str, Any]:
    source = "decision" if given.decided else "flag"
    row = {"id": given.id, source: given.id, "action": given.action, "state": state, "at": at, "until": until}
    return row | {"detail": ""}


def _store(connection: Connection, row: dict[str, Any]) -> bool:
    """Store the result of an action, planned or not. Return False if there is one already."""
    planned = update(ENFORCEMENTS).where(ENFORCEMENTS.c.id == row["id"], ENFORCEMENTS.c.state == "planned")
    changed = connection.execute(planned.values(row)).rowcount
    return bool(changed) or put_new(connection, ENFORCEMENTS, row)
