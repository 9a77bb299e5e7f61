"""ROOST Coop's review console: reports that go there (`POST /api/v1/report`), and actions that come back.

The reported item is the case. A moderator in Coop decides with an action on it. The case gets the decision, as if
`coop` had made it in our console. So the outbox tells the app, and the LiveKit bot carries it out. Coop signs its
requests with RSA (PKCS #1 v1.5) and SHA-256.
"""

import base64
import binascii
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from msgspec import Struct
from sqlalchemy import Connection

from pipeline.base.errors import ConfigError
from pipeline.contract.messages import Action, Decision
from pipeline.review.cases import deciding, reading
from pipeline.review.cases.speaker_measures import Measures
from pipeline.review.cases.values import Choice
from pipeline.review.delivery.events_for_apps import RaisedFlag, Rendered, encoded, iso
from pipeline.settings import CoopSettings

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


REPORTER = "voxwarden"
"""The id of the reporting user."""

COOP_NEEDS = ("api_key", "item_type", "user_type")


class CoopReports(Struct, frozen=True):
    """Renders flags as reports. `console` is the URL of our console, for links to its cases."""

    settings: CoopSettings
    console: str

    def render(self, flag: RaisedFlag) -> Rendered:
        """Render a flag."""
        key = self.settings.api_key.get_secret_value() if self.settings.api_key else ""
        return Rendered(encoded(self._report(flag)), headers={"x-api-key": key})

    def _report(self, flag: RaisedFlag) -> dict[str, Any]:
        return {
            "reporter": {"kind": "user", "typeId": self.settings.user_type, "id": REPORTER},
            "reportedAt": iso(flag.raised_at, "milliseconds"),
            "reportedForReason": self._reason(flag),
            "reportedItem": {"id": flag.case, "typeId": self.settings.item_type, "data": self._data(flag)},
        }

    def _reason(self, flag: RaisedFlag) -> dict[str, Any]:
        scores = ", ".join(f"{label} {flag.score(label):.2f}" for label in flag.flagged)
        reason = {"reason": f"{flag.suggestion}: {scores}" if scores else flag.suggestion}
        policy = next((found for label in flag.flagged if (found := self.settings.policies.get(label))), None)
        return reason | ({"policyId": policy} if policy else {})

    def _data(self, flag: RaisedFlag) -> dict[str, Any]:
        return {
            "text": flag.text,
            "speaker": {"id": flag.speaker, "typeId": self.settings.user_type},
            "room": flag.room,
            "start": iso(flag.start, "milliseconds"),
            "end": iso(flag.end, "milliseconds"),
            "language": flag.language,
            "suggestion": flag.suggestion,
            "risk": flag.risk,
            "labels": list(flag.flagged),
            "terms": flag.words,
            "link": f"{self.console}/cases/{flag.case}",
            "drill": flag.drill,
        }


def check_coop(settings: CoopSettings) -> None:
    """Raise ConfigError if a setting is missing without which Coop takes no report."""
    if missing := [name for name in COOP_NEEDS if not getattr(settings, name)]:
        raise ConfigError(
            f"webhooks.format coop needs {' and '.join(f'webhooks.coop.{name}' for name in missing)}",
            "Coop shows the key and the ids of the item types in its settings.",
        )
