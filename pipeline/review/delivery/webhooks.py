"""Webhooks: they send the outbox's events to the app, with retries, signed by Standard Webhooks (standardwebhooks.com).

Each event arrives at least once and in no order. An app recognises a repeated event by its `webhook-id`.
"""

import base64
import binascii
import hmac
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256

import httpx
import msgspec

from pipeline.errors import ConfigError
from pipeline.metrics import Metrics, from_zero
from pipeline.review.database import Database
from pipeline.review.delivery import outbox
from pipeline.review.delivery.outbox import OutboxEvent
from pipeline.settings import Settings

log = logging.getLogger(__name__)

PREFIX = "whsec_"
SECRET_BYTES = range(24, 65)


class Webhooks:
    """Sends events to the app. `secret` is raw bytes, and `clock` returns UTC seconds.

    The app must answer within `seconds`.
    """

    def __init__(
        self, database: Database, url: str, secret: bytes, seconds: float, metrics: Metrics, clock: Callable[[], float]
    ) -> None:
        self._database = database
        self._url = url
        self._secret = secret
        self._metrics = metrics
        from_zero(metrics.webhooks, ("sent", "retried", "failed"))
        self._clock = clock
        self._client = httpx.Client(timeout=seconds, follow_redirects=False)

    def send_due(self) -> None:
        """Send the events that are due, and store the result of each."""
        with self._database.write() as connection:
            events = outbox.take(connection, self._clock())
        for event in events:
            self._settle(event, self._send(event))

    def close(self) -> None:
        self._client.close()

    def _send(self, event: OutboxEvent) -> str:
        """Send the event and return the error text; empty if the app accepted the event."""
        sent_at, body = int(self._clock()), payload(event)
        headers = {
            "content-type": "application/json",
            "webhook-id": event.id,
            "webhook-timestamp": str(sent_at),
            "webhook-signature": signature(self._secret, event.id, sent_at, body),
        }
        try:
            answer = self._client.post(self._url, content=body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return f"{type(error).__name__}: {error}"
        return "" if answer.is_success else f"the app answered {answer.status_code}"

    def _settle(self, event: OutboxEvent, error: str) -> None:
        with self._database.write() as connection:
            if not error:
                outbox.sent(connection, event)
            over = bool(error) and outbox.refused(connection, event, error, self._clock())
        self._metrics.webhooks.labels("failed" if over else "retried" if error else "sent").inc()
        if error:
            log.warning("webhook %s (%s): try %d failed: %s", event.id, event.kind, event.attempts, error)


def build(settings: Settings, database: Database, metrics: Metrics, clock: Callable[[], float]) -> Webhooks | None:
    """Build the sender from the settings; None if `console.webhook_url` is empty.

    Raises ConfigError if the secret is not valid.
    """
    console = settings.console
    if not console.webhook_url:
        return None
    secret = secret_of(console.webhook_secret.get_secret_value() if console.webhook_secret else "")
    return Webhooks(database, console.webhook_url, secret, console.webhook_seconds, metrics, clock)


def secret_of(text: str) -> bytes:
    """Return the bytes of a secret that is written as `whsec_` and base64.

    Raises ConfigError if it is written otherwise, or has fewer than 24 or more than 64 bytes.
    """
    try:
        secret = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        secret = b""
    if not text.startswith(PREFIX) or len(secret) not in SECRET_BYTES:
        raise ConfigError(
            "console.webhook_secret is not a valid Standard Webhooks secret",
            f'Make one with echo "{PREFIX}$(openssl rand -base64 32)", and give it to the app, too.',
        )
    return secret


def payload(event: OutboxEvent) -> bytes:
    """Return the JSON body of the request for an event."""
    at = datetime.fromtimestamp(event.created_at, UTC).isoformat().replace("+00:00", "Z")
    return msgspec.json.encode({"type": event.kind, "timestamp": at, "data": event.payload})


def signature(secret: bytes, identity: str, at: int, body: bytes) -> str:
    """Return `v1,` and the HMAC-SHA256 of id, time and body in base64. `at` is UTC seconds."""
    digest = hmac.new(secret, f"{identity}.{at}.".encode() + body, sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"
