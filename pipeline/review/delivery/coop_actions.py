"""Actions that come back from ROOST Coop. Coop signs each request with RSA (PKCS #1 v1.5) and SHA-256.

A moderator in Coop decides with an action on the item that we reported, which is a case. The case gets the decision, as
if `coop` had made it in our console. So the outbox tells the app, and the LiveKit bot carries it out.
"""

import base64
import binascii

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from sqlalchemy import Connection

from pipeline.base.errors import ConfigError
from pipeline.contract.messages import Action, Decision
from pipeline.review.cases import deciding, reading
from pipeline.review.cases.measures import Measures
from pipeline.review.cases.values import Choice

ACTOR = "coop"
"""Who made the decisions. Coop's moderators have no accounts here."""


def coop_key(pem: str) -> RSAPublicKey:
    """Return the public key of `webhooks.coop.public_key`, also with `\\n` for its line breaks. Raises ConfigError."""
    try:
        key = load_pem_public_key(pem.replace("\\n", "\n").encode())
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, RSAPublicKey):
        raise ConfigError(
            "webhooks.coop.public_key is no RSA public key",
            "Copy the webhook signature verification key from Coop's settings, with its first and last line.",
        )
    return key


def is_signed(key: RSAPublicKey, body: bytes, signature: str) -> bool:
    """Tell whether Coop signed the body. `signature` is the header Coop-Signature: base64."""
    try:
        key.verify(base64.b64decode(signature, validate=True), body, PKCS1v15(), SHA256())
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def decide_from_coop(
    connection: Connection, case: str, action: Action, note: str, at: float, measures: Measures | None = None
) -> tuple[Decision, bool]:
    """Decide a case with an action at `at` (UTC seconds). Return the decision that has it, and whether it is new.

    Raises Missing for an unknown case, and CaseError if it is decided otherwise.
    """
    found = reading.case(connection, case, lock=True)
    standing = [one for one in reading.decisions(connection, found.id) if one.undone is None]
    if standing and standing[-1].verdict == "uphold" and standing[-1].action == action:
        return standing[-1], False
    choice = Choice(verdict="uphold", action=action, note=note)
    return deciding.decide(connection, case, ACTOR, choice, at, undo_seconds=0.0, measures=measures), True
