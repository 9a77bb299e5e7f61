"""The API for ROOST Coop: its actions. The signature of Coop is the only authentication."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Request
from pydantic import BaseModel, Field, ValidationError
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from pipeline.base.errors import CaseError
from pipeline.console import console_metrics
from pipeline.console.apps_api import Body, Id, Words
from pipeline.console.services import Services, TheServices
from pipeline.contract.messages import Action, Decision
from pipeline.review.delivery import confirmations, coop
from pipeline.review.delivery.confirmations import Confirmation

router = APIRouter(prefix="/api/v1/coop", tags=["for Coop"])


class CoopItem(BaseModel):
    """The item that we reported: its id is the id of a case."""

    id: Id


class CoopActionId(BaseModel):
    id: Annotated[str, Field(min_length=1, max_length=256)]


class CoopAction(BaseModel):
    """The used fields of a request from Coop."""

    item: CoopItem
    action: CoopActionId
    decision_reason: Words | None = Field(None, alias="decisionReason")


class CoopState(Body):
    """The decision that the case has now."""

    decision: str
    case: str
    action: Action


@router.post("/decisions")
async def decide_for_coop(services: TheServices, request: Request) -> CoopState:
    """Coop calls this: decide the case. The app or the LiveKit bot then carries out the action."""
    action = await _signed(services, request)
    return await run_in_threadpool(_store, services, action, done=False)


@router.post("/actions")
async def confirm_for_coop(services: TheServices, request: Request) -> CoopState:
    """The app forwards Coop's request when it has carried out the action: decide the case, and confirm the action."""
    action = await _signed(services, request)
    return await run_in_threadpool(_store, services, action, done=True)


async def _signed(services: Services, request: Request) -> CoopAction:
    """Return the request of Coop. 403 if it is not signed by `webhooks.coop.public_key`, 422 if it has another form."""
    pem, body = services.settings.webhooks.coop.public_key, await request.body()
    if not pem:
        raise HTTPException(403, "webhooks.coop.public_key is not set.")
    if not coop.is_signed(coop.coop_key(pem), body, request.headers.get("coop-signature", "")):
        raise HTTPException(403, "Coop did not sign this request.")
    try:
        return CoopAction.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise HTTPException(422, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def _store(services: Services, given: CoopAction, done: bool) -> CoopState:
    action = services.settings.webhooks.coop.actions.get(given.action.id)
    if action is None:
        raise CaseError(f"The action {given.action.id} of Coop has no counterpart", "Add it to webhooks.coop.actions.")
    now = services.clock()
    with services.database.write() as connection:
        decision, new = coop.decide_from_coop(
            connection, given.item.id, action, given.decision_reason or "", now, services.measures
        )
        held = _confirm(connection, decision, action, now) if done else None
        first = console_metrics.first_reviews(connection, [decision]) if new else []
    if new:
        console_metrics.count_decisions(services, [decision], first)
    if held:
        console_metrics.count_action(services, held, decision.at)
    return CoopState(decision=decision.id, case=decision.case, action=action)


def _confirm(connection: Connection, decision: Decision, action: Action, now: float) -> Confirmation | None:
    """Confirm the action. Return None if it was confirmed before."""
    given = Confirmation(decision=decision.id, action=action, result="done", at=now, received_at=now)
    held, new = confirmations.confirm(connection, given, coop.ACTOR)
    return held if new else None
