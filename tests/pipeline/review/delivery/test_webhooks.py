"""Webhooks: events are sent when they are due, with a signature, and again until the app accepts them."""

import base64
import hmac
import json
import threading
from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from sqlalchemy import select

from pipeline.errors import ConfigError
from pipeline.metrics import Metrics
from pipeline.review.database import Database
from pipeline.review.delivery import outbox, webhooks
from pipeline.review.delivery.webhooks import Webhooks
from pipeline.review.tables.core import OUTBOX
from tests.builders import NOON

SECRET = bytes(range(32))


class App(HTTPServer):
    """An app that answers with `status` and stores each request."""

    status = 204

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Receiver)
        self.got: list[tuple[dict[str, str], bytes]] = []


class Receiver(BaseHTTPRequestHandler):
    server: App

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(self.server.status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log no requests."""


@pytest.fixture
def app() -> Iterator[App]:
    with App() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class Clock:
    now = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sender(database: Database, app: App, clock: Clock) -> Iterator[Webhooks]:
    made = Webhooks(database, f"http://127.0.0.1:{app.server_port}/hook", SECRET, 30, Metrics(), clock)
    yield made
    made.close()


def put(database: Database, about: str = "decision", send_at: float = NOON) -> str:
    with database.write() as connection:
        return outbox.put(connection, "case.decided", about, {"room": "茶馆"}, NOON, send_at)


def status(database: Database) -> tuple[str, int]:
    with database.read() as connection:
        row = connection.execute(select(OUTBOX.c.status, OUTBOX.c.attempts)).one()
    return row.status, row.attempts


def test_an_event_is_sent_once_when_it_is_due(database: Database, app: App, sender: Webhooks, clock: Clock) -> None:
    identity = put(database, send_at=NOON + 10)
    sender.send_due()
    assert app.got == []
    clock.now += 10
    sender.send_due()
    sender.send_due()
    [(headers, body)] = app.got
    assert json.loads(body) == {"type": "case.decided", "timestamp": "2026-01-01T12:00:00Z", "data": {"room": "茶馆"}}
    # This check follows the specification and does not use our own code.
    signed = f"{identity}.{int(clock.now)}.{body.decode()}"
    expected = base64.b64encode(hmac.new(SECRET, signed.encode(), sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == (identity, str(int(clock.now)))
    assert status(database) == ("sent", 1)


def test_a_refused_event_is_tried_again_until_it_fails(
    database: Database, app: App, sender: Webhooks, clock: Clock
) -> None:
    put(database)
    app.status = 500
    sender.send_due()
    assert status(database) == ("sending", 1)
    for pause in outbox.PAUSES:
        clock.now += pause - 0.1
        sender.send_due()
        clock.now += 0.1
        sender.send_due()
    assert len(app.got) == 1 + len(outbox.PAUSES)
    assert status(database) == ("failed", 1 + len(outbox.PAUSES))
    with database.read() as connection:
        assert outbox.failed(connection) == 1
    clock.now += 1e6
    sender.send_due()
    assert len(app.got) == 1 + len(outbox.PAUSES)


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/hook", "http://127.0.0.1:http/hook"])
def test_an_unreachable_app_or_an_invalid_url_is_tried_again(database: Database, clock: Clock, address: str) -> None:
    put(database)
    sender = Webhooks(database, address, SECRET, 5, Metrics(), clock)
    sender.send_due()
    sender.close()
    assert status(database) == ("sending", 1)


def test_another_sender_sends_the_events_of_a_dead_one(
    database: Database, app: App, sender: Webhooks, clock: Clock
) -> None:
    put(database)
    with database.write() as connection:
        assert len(outbox.take(connection, clock.now)) == 1
    sender.send_due()
    assert app.got == []
    clock.now += outbox.HELD_SECONDS
    sender.send_due()
    assert len(app.got) == 1


def test_a_withdrawn_event_is_never_sent(database: Database, app: App, sender: Webhooks, clock: Clock) -> None:
    put(database, send_at=NOON + 10)
    with database.write() as connection:
        outbox.withdraw(connection, "decision", NOON + 5)
    clock.now += 60
    sender.send_due()
    assert app.got == []


@pytest.mark.parametrize("text", ["", "secret", "whsec_", "whsec_c2hvcnQ=", "whsec_not base64", "x" * 60])
def test_invalid_secrets_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="webhook_secret"):
        webhooks.secret_of(text)


def test_a_valid_secret_is_decoded() -> None:
    assert webhooks.secret_of("whsec_" + base64.b64encode(SECRET).decode()) == SECRET
