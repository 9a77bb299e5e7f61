"""Corrections of decided cases by leads, when the undo window is over. Each runs in a transaction of the caller.

`correct` adds a decision, and the last one counts everywhere. `reopen` takes the final decisions back, so that the case
is in the queue again, with a new deadline. The event for the app names the action to reverse.
"""

from typing import Any

from sqlalchemy import Connection, update

from pipeline.base.errors import CaseError, Stale
from pipeline.contract.messages import Action, Decision
from pipeline.review import audit_log
from pipeline.review.cases import appeals, deciding, eligibility, reading
from pipeline.review.cases.case_queue import Ranking
from pipeline.review.cases.case_values import Case, Choice
from pipeline.review.cases.deciding import UNDO_SECONDS
from pipeline.review.cases.speaker_measures import Measures
from pipeline.review.delivery import event_outbox
from pipeline.review.delivery.events_for_apps import CaseCorrected, about_case
from pipeline.review.quality import quality_checks
from pipeline.review.quality.quality_checks import FINAL
from pipeline.review.tables.core import CASES


def correct(
    connection: Connection,
    case: str,
    lead: str,
    choice: Choice,
    at: float,
    *,
    version: int,
    undo_seconds: float = UNDO_SECONDS,
    measures: Measures | None = None,
) -> Decision:
    """Replace the decision of a case at the time `at` (UTC seconds). The lead can undo it within `undo_seconds`.

    Raises Missing if there is no such case, Stale if it has changed since `version`, and Involved if the lead is a
    party. Raises CaseError if it cannot be corrected, or if the choice is an escalation or has no reason.
    """
    found = _decided(connection, case, lead, version)
    if choice.verdict not in FINAL or not choice.reason:
        raise CaseError(
            "A correction upholds or dismisses, with a reason",
            "Choose a reason, or reopen the case.",
            text="correction",
        )
    before = _standing(connection, case)[-1]
    decision = deciding.add_decision(connection, found, lead, choice, at, measures)
    event = CaseCorrected(**about_case(found, decision), against=before, reverse=_reversed(before, decision))
    event_outbox.store_event(connection, "case.corrected", decision.id, event.payload(), at, at + undo_seconds)
    detail: dict[str, Any] = {"verdict": choice.verdict, "label": choice.label, "reason": choice.reason}
    detail |= {"action": choice.action, "decision": decision.id, "against": before.id}
    audit_log.append(connection, at, lead, "case.correct", case, detail)
    return decision


def reopen_case(
    connection: Connection, case: str, lead: str, reason: str, at: float, *, version: int, ranking: Ranking
) -> None:
    """Take the final decisions of a case back, and put it into the queue again. Raises as `correct`.

    Its deadline counts from `at` (UTC seconds). Also raises CaseError if an appeal was settled, because a decision on
    it must stand.
    """
    found = _decided(connection, case, lead, version)
    if not reason:
        raise CaseError("A case is reopened with a reason", "Choose a reason.", text="correction")
    if appeals.of_case(connection, case):
        raise CaseError(
            "An appeal against this case was settled", "Correct it without reopening.", text="appeal_stands"
        )
    standing = _standing(connection, case)
    # An escalation is not final. It stays, so the case is escalated again.
    taken = [one for one in standing if one.verdict in FINAL]
    # The old deadline was kept or missed by the first decision. It says nothing about the new work.
    connection.execute(update(CASES).where(CASES.c.id == case).values(ranking.place(found.label, found.severity, at)))
    deciding.take_back(connection, found, standing, taken, at)
    detail = {"reason": reason, "decisions": [one.id for one in taken]}
    audit_log.append(connection, at, lead, "case.reopen", case, detail)


def _decided(connection: Connection, case: str, lead: str, version: int) -> Case:
    """Return the case, locked, if the lead may correct it."""
    found = reading.case(connection, case, lock=True)
    if found.version != version:
        raise Stale(f"Case {case} has changed", "Look at the changes, then correct it again.", text="case_changed")
    eligibility.check_party(connection, found, lead)
    if found.status != "decided":
        raise CaseError(f"Case {case} is not decided", "Decide it.", text="not_decided")
    if quality_checks.copied(connection, case):
        raise CaseError("A decision on a check is not corrected", "Only the figures count it.", text="check_stands")
    if any(appeal.state == "open" for appeal in appeals.of_case(connection, case)):
        raise CaseError("There is an open appeal against this case", "Settle the appeal.", text="appeal_open")
    return found


def _standing(connection: Connection, case: str) -> list[Decision]:
    return [one for one in reading.decisions(connection, case) if one.undone is None]


def _reversed(before: Decision, after: Decision) -> Action | None:
    """Return the action that the app takes back: the one of the decision before, if the new one has another."""
    same = (before.action, before.duration_seconds) == (after.action, after.duration_seconds)
    return None if same else before.action
