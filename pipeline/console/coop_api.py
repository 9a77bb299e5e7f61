"""The API for ROOST Coop's review console: its actions. Coop's signature is the only authentication.

The item that we reported to Coop is the case. A moderator in Coop decides with an action on it. The case gets the
decision, as if `coop` had made it in our console. So the outbox tells the app, and the LiveKit bot carries it out.
"""

import base64
import binascii
from typing import Annotated

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from fastapi import APIRouter, HTTPException, Request
from pydantic import BaseModel, Field, ValidationError
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from pipeline.base.errors import CaseError, ConfigError
from pipeline.console import console_metrics
from pipeline.console.apps_api import Body, Id, Words
from pipeline.console.services import Services, TheServices
from pipeline.contract.messages import Action, Decision
from pipeline.review.cases import deciding, reading
from pipeline.review.cases.case_values import Choice
from pipeline.review.delivery import enforcements
from pipeline.review.delivery.enforcements import Confirmation

router = APIRouter(prefix="/api/v1/coop", tags=["for Coop"])

ACTOR = "coop"  # Who made the decisions. Coop's moderators have no accounts here.


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
    # The raw body: the signature is about these bytes, and parsed JSON does not give them back.
    pem, body = services.settings.webhooks.coop.public_key, await request.body()
    if not pem:
        raise HTTPException(403, "webhooks.coop.public_key is not set.")
    if not _is_signed(_coop_key(pem), body, request.headers.get("coop-signature", "")):
        raise HTTPException(403, "Coop did not sign this request.")
    try:
        return CoopAction.model_validate_json(body)
    except ValidationError as error:
        # Without the input, because the answer need not repeat the content of a report.
        first = error.errors(include_input=False, include_url=False)[0]
        raise HTTPException(422, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def _coop_key(pem: str) -> RSAPublicKey:
    """Return the public key of `webhooks.coop.public_key`. Raises ConfigError."""
    try:
        # Environment variables often have the key on one line, with a written `\n` for each line break.
        key = load_pem_public_key(pem.replace("\\n", "\n").encode())
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, RSAPublicKey):
        raise ConfigError(
            "webhooks.coop.public_key is no RSA public key",
            "Copy the webhook signature verification key from Coop's settings, with its first and last line.",
        )
    return key


def _is_signed(key: RSAPublicKey, body: bytes, signature: str) -> bool:
    """Tell whether Coop signed the body, with RSA (PKCS #1 v1.5) and SHA-256. `signature` is base64."""
    try:
        key.verify(base64.b64decode(signature, validate=True), body, PKCS1v15(), SHA256())
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def _store(services: Services, given: CoopAction, done: bool) -> CoopState:
    action = services.settings.webhooks.coop.actions.get(given.action.id)
    if action is None:
        raise CaseError(f"The action {given.action.id} of Coop has no counterpart", "Add it to webhooks.coop.actions.")
    now = services.clock()
    with services.database.write() as connection:
        decision, new = _decide(services, connection, given, action, now)
        held = _confirm(connection, decision, action, now) if done else None
        first = console_metrics.first_reviews(connection, [decision]) if new else []
    if new:
        console_metrics.count_decisions(services, [decision], first)
    if held:
        console_metrics.count_action(services, held, decision.at)
    return CoopState(decision=decision.id, case=decision.case, action=action)


def _decide(
    services: Services, connection: Connection, given: CoopAction, action: Action, now: float
) -> tuple[Decision, bool]:
    """Decide the case. Return the decision that has the action, and whether it is new.

    Raises Missing for an unknown case, and CaseError if it is decided otherwise.
    """
    found = reading.case(connection, given.item.id, lock=True)  # of two equal requests, one waits here
    # Coop or the app sends a request again if the answer was lost. The same action then changes nothing.
    standing = [one for one in reading.decisions(connection, found.id) if one.undone is None]
    if standing and standing[-1].verdict == "uphold" and standing[-1].action == action:
        return standing[-1], False
    choice = Choice(verdict="uphold", action=action, note=given.decision_reason or "")
    measures = services.measures
    # No time to undo: Coop cannot take an action back here, so the event is sent at once.
    return deciding.decide(connection, found.id, ACTOR, choice, now, undo_seconds=0.0, measures=measures), True


def _confirm(connection: Connection, decision: Decision, action: Action, now: float) -> Confirmation | None:
    """Confirm the action. Return None if it was confirmed before."""
    given = Confirmation(decision=decision.id, action=action, result="done", at=now, received_at=now)
    held, new = enforcements.confirm(connection, given, ACTOR)
    return held if new else None
