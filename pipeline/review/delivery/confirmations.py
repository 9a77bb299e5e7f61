"""The app's confirmations that it carried out the actions of decisions. Each function runs in the caller's transaction.

A decision has at most one confirmation: `done` is final, and replaces an earlier `failed`.
"""

from typing import Literal

from msgspec import Struct
from sqlalchemy import Connection, delete, insert, select, update

from pipeline.base.errors import CaseError, Missing
from pipeline.contract.messages import Action
from pipeline.review import audit_log
from pipeline.review.tables.assessment_tables import ACTIONS, DRILL_LINES, DRILLS
from pipeline.review.tables.core import CASES, DECISIONS

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
    decision = connection.execute(query.with_for_update()).one_or_none()
    if decision is None:
        raise Missing(f"There is no decision {given.decision}", "Send the decision's id from the event case.decided.")
    if decision.action != given.action:
        raise CaseError(
            f"The decision {given.decision} asks for {decision.action or 'no action'}, not {given.action}",
            "Confirm the action of the event.",
        )
    held = confirmation_of(connection, given.decision)
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
    return Confirmation(**{str(name): value for name, value in row._mapping.items()}) if row else None


def _note_stopped(connection: Connection, case_id: str, at: float) -> None:
    """Write that the app stopped the room of a case at `at` (UTC seconds), if the case belongs to a stop drill.

    The line keeps the time after retention has deleted the case.
    """
    query = select(CASES.c.drill, CASES.c.room).join(DRILLS, DRILLS.c.id == CASES.c.drill)
    found = connection.execute(query.where(CASES.c.id == case_id, DRILLS.c.kind == "stop")).one_or_none()
    if found:
        line = update(DRILL_LINES).where(DRILL_LINES.c.drill == found.drill, DRILL_LINES.c.room == found.room)
        connection.execute(line.values(stored_at=at))
