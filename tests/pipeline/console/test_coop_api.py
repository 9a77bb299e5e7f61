"""Actions of Coop: only its signature counts, and they reach the case."""

import base64
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import select

from pipeline.console.console_app import create_app
from pipeline.console.services import open_services
from pipeline.contract.messages import Decision
from pipeline.review.cases import deciding, reading
from pipeline.review.cases.case_values import Choice
from pipeline.review.database import Database
from pipeline.review.delivery import enforcements, event_outbox
from pipeline.review.tables.core import AUDIT, OUTBOX
from pipeline.settings import CoopSettings, Settings, WebhookSettings
from tests.builders import NOON, flag
from tests.pipeline.console.conftest import NO_CERTIFICATES, Clock, Console
from tests.pipeline.console.servers import served


@pytest.fixture(scope="module")
def key() -> RSAPrivateKey:
    return generate_private_key(65_537, 2_048)


def pem(key: RSAPrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.fixture
def console(tmp_path: Path, staffed: Path, key: RSAPrivateKey) -> Iterator[Console]:
    # In an environment variable, line breaks are often written as \n.
    coop = CoopSettings(actions={"a-mute": "mute", "a-warn": "warn"}, public_key=pem(key).replace("\n", "\\n"))
    settings = Settings(data_dir=tmp_path, webhooks=WebhookSettings(coop=coop))
    shutil.copy(staffed, tmp_path / "voxwarden.db")
    database, clock = Database(settings.database_url), Clock()
    with served(create_app(open_services(settings, database, clock))) as url:
        yield Console(url, database, clock, tmp_path)
    database.close()


Send = Callable[..., httpx.Response]


@pytest.fixture
def send(console: Console, key: RSAPrivateKey) -> Iterator[Send]:
    """Send a request as Coop does: the signature is over the bytes of the body."""
    with httpx.Client(base_url=f"{console.url}/api/v1/coop/", timeout=60, verify=NO_CERTIFICATES) as client:

        def post(path: str, body: Any, signer: RSAPrivateKey = key, **headers: str) -> httpx.Response:
            content = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
            signature = base64.b64encode(signer.sign(content, PKCS1v15(), SHA256())).decode()
            return client.post(path, content=content, headers={"coop-signature": signature} | headers)

        yield post


@pytest.fixture
def case(console: Console) -> str:
    return console.store.add([flag("a", 0, 5)], NOON)[0].case


def asks(case: str, action: str = "a-mute", **more: Any) -> dict[str, Any]:
    """Return what Coop sends, with the fields that we do not use."""
    return {
        "item": {"id": case, "typeId": "speech", "typeName": "Speech"},
        "action": {"id": action},
        "policies": [{"id": "p", "name": "威胁", "penalty": "MEDIUM"}],
        "rules": [],
        "custom": {"reason": "…"},
        "actorEmail": "lea@example.org",
    } | more


def decisions(console: Console, case: str) -> list[Decision]:
    with console.database.read() as connection:
        return list(reading.decisions(connection, case))


def test_a_decision_of_coop_decides_the_case_and_tells_the_app_at_once(console: Console, send: Send, case: str) -> None:
    answer = send("decisions", asks(case, decisionReason="他威胁别人"))
    [decision] = decisions(console, case)
    assert (answer.status_code, answer.json()) == (200, {"decision": decision.id, "case": case, "action": "mute"})
    assert (decision.moderator, decision.verdict, decision.action) == ("coop", "uphold", "mute")
    assert decision.note == "他威胁别人"
    with console.database.read() as connection:
        event = connection.execute(select(OUTBOX)).one()
        assert enforcements.confirmation_of(connection, decision.id) is None, "nobody has carried it out yet"
        assert event_outbox.any_due(connection, console.clock.now)
    assert (event.kind, event.payload["decision"]["action"]) == ("case.decided", "mute")
    assert "lea@example.org" not in json.dumps(event.payload)


def test_a_forwarded_action_is_confirmed_in_the_case(console: Console, send: Send, case: str) -> None:
    console.clock.now = NOON + 9
    for _ in range(2):
        assert send("actions", asks(case)).status_code == 200
    [decision] = decisions(console, case)
    with console.database.read() as connection:
        held = enforcements.confirmation_of(connection, decision.id)
        told = list(connection.scalars(select(AUDIT.c.action).where(AUDIT.c.subject == case).order_by(AUDIT.c.seq)))
    assert held is not None
    assert (held.action, held.result, held.at) == ("mute", "done", NOON + 9)
    assert told[-2:] == ["case.decide", "action.done"], "the second request changed nothing"


def test_the_action_of_our_own_decision_is_confirmed(console: Console, send: Send, case: str) -> None:
    with console.database.write() as connection:
        made = deciding.decide(connection, case, "ana", Choice(verdict="uphold", action="mute"), NOON)
    assert send("actions", asks(case)).json()["decision"] == made.id
    assert len(decisions(console, case)) == 1


def test_only_the_signature_of_coop_counts(console: Console, send: Send, case: str) -> None:
    body = json.dumps(asks(case)).encode()
    stranger = generate_private_key(65_537, 2_048)
    for answer in (
        send("actions", body, signer=stranger),
        send("actions", body, **{"coop-signature": ""}),
        send("actions", body, **{"coop-signature": "no base64!"}),
        send("actions", body, **{"coop-signature": base64.b64encode(b"short").decode()}),
        send("decisions", body, signer=stranger),
        httpx.post(f"{console.url}/api/v1/coop/actions", content=body, timeout=60, verify=NO_CERTIFICATES),
    ):
        assert answer.status_code == 403
    assert decisions(console, case) == []


def test_a_changed_body_is_refused(console: Console, send: Send, key: RSAPrivateKey, case: str) -> None:
    body = json.dumps(asks(case)).encode()
    signature = base64.b64encode(key.sign(body, PKCS1v15(), SHA256())).decode()
    assert send("actions", body.replace(b"a-mute", b"a-warn"), **{"coop-signature": signature}).status_code == 403
    assert decisions(console, case) == []


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"item": {"id": "0"}}, 404),
        ({"item": {"id": "../"}}, 422),
        ({"action": {"id": "unknown"}}, 409),
        ({"action": {}}, 422),
        ({"decisionReason": "a\0b"}, 422),
    ],
)
def test_requests_that_do_not_fit_are_refused(send: Send, case: str, change: dict[str, Any], status: int) -> None:
    assert send("actions", asks(case) | change).status_code == status


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"null", b"[" * 100_000])
def test_bytes_that_are_no_action_are_refused(send: Send, body: bytes) -> None:
    assert send("actions", body).status_code == 422


def test_a_case_that_was_decided_otherwise_keeps_its_decision(console: Console, send: Send, case: str) -> None:
    with console.database.write() as connection:
        deciding.decide(connection, case, "ana", Choice(verdict="dismiss"), NOON)
    assert send("decisions", asks(case)).status_code == 409
    assert len(decisions(console, case)) == 1


def test_without_a_key_all_actions_are_refused(tmp_path: Path, staffed: Path, key: RSAPrivateKey) -> None:
    for public_key, status in ((None, 403), ("-----BEGIN PUBLIC KEY-----\nno key", 422)):
        coop = CoopSettings(actions={"a-mute": "mute"}, public_key=public_key)
        settings = Settings(data_dir=tmp_path, webhooks=WebhookSettings(coop=coop))
        shutil.copy(staffed, tmp_path / "voxwarden.db")
        database = Database(settings.database_url)
        with served(create_app(open_services(settings, database, Clock()))) as url:
            body = json.dumps(asks("0")).encode()
            signature = base64.b64encode(key.sign(body, PKCS1v15(), SHA256())).decode()
            answer = httpx.post(
                f"{url}/api/v1/coop/actions",
                content=body,
                headers={"coop-signature": signature},
                timeout=60,
                verify=NO_CERTIFICATES,
            )
        database.close()
        assert (answer.status_code, "webhooks.coop.public_key" in answer.text) == (status, True)
