"""The API for apps: appeals and reports, tokens and limits."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from pipeline.console.app import create_app, open_services
from pipeline.review.appeals import appeals, reports
from pipeline.review.cases import case_queue, deciding
from pipeline.review.cases.values import Choice
from pipeline.review.database import Database
from pipeline.settings import ReviewConsole, Settings
from tests.builders import NOON, flag
from tests.pipeline.console.conftest import NO_CERTIFICATES, Clock, Console
from tests.pipeline.console.servers import served

TOKEN = "a-token-of-the-app"  # noqa: S105 - of tests
REPORT = {"room": "lobby", "speaker": "bob", "reporter": "ann", "label": "hate", "text": "he insults us", "at": NOON}


@pytest.fixture
def console(tmp_path: Path, staffed: Path) -> Iterator[Console]:
    """A console with the tokens of two apps."""
    settings = Settings(
        data_dir=tmp_path, console=ReviewConsole(api_tokens=(SecretStr("another-token-of-an-app"), SecretStr(TOKEN)))
    )
    shutil.copy(staffed, tmp_path / "voxwarden.db")
    database, clock = Database(settings.database_url), Clock()
    with served(create_app(open_services(settings, database, clock))) as url:
        yield Console(url, database, clock, tmp_path)
    database.close()


@pytest.fixture
def app(console: Console) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {TOKEN}"}
    with httpx.Client(base_url=console.url, headers=headers, timeout=60, verify=NO_CERTIFICATES) as client:
        yield client


def upheld(console: Console) -> str:
    case = console.store.add([flag("a", 0, 5)], NOON)[0].case
    with console.database.write() as connection:
        deciding.decide(connection, case, "ana", Choice(verdict="uphold", action="mute"), NOON)
    console.clock.now = NOON + 60
    return case


def test_an_appeal_is_lodged_once_and_has_a_state(console: Console, app: httpx.Client) -> None:
    case = upheld(console)
    body = {"case": case, "speaker": "ann", "statement": "我在开玩笑"}
    first, second = app.post("/api/v1/appeals", json=body), app.post("/api/v1/appeals", json=body)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    expected = {"id": first.json()["id"], "case": case, "state": "open", "created_at": NOON + 60, "settled_at": None}
    assert app.get(f"/api/v1/appeals/{first.json()['id']}").json() == expected


def test_cases_that_cannot_be_appealed(console: Console, app: httpx.Client) -> None:
    case = upheld(console)
    console.clock.now = NOON + 5
    assert app.post("/api/v1/appeals", json={"case": case, "speaker": "ann"}).status_code == 409
    console.clock.now = NOON + 60
    other = app.post("/api/v1/appeals", json={"case": case, "speaker": "bob"})
    missing = app.post("/api/v1/appeals", json={"case": "0", "speaker": "bob"})
    assert (other.status_code, missing.status_code) == (404, 404)
    assert app.get("/api/v1/appeals/0").status_code == 404


def test_a_report_becomes_a_case_in_the_queue(console: Console, app: httpx.Client) -> None:
    first, again = app.post("/api/v1/reports", json=REPORT), app.post("/api/v1/reports", json=REPORT)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    with console.database.read() as connection:
        [case] = case_queue.list_queue(connection)
        [report] = reports.of_case(connection, case.id)
    assert first.json() == {"id": report.id, "case": case.id, "audio": "waiting"}
    assert (case.room, case.speaker, case.label, case.severity) == ("lobby", "bob", "hate", 2)
    assert (report.reporter, report.text) == ("ann", "he insults us")


def test_a_report_with_only_a_room(console: Console, app: httpx.Client) -> None:
    answer = app.post("/api/v1/reports", json={"room": "lobby"})
    assert answer.status_code == 201
    case = console.store.case(answer.json()["case"]).case
    assert (case.speaker, case.label, case.end) == ("", "", NOON)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("reports", REPORT | {"at": NOON + 3_600}, 409),
        ("reports", REPORT | {"label": "nonsense"}, 409),
        ("reports", REPORT | {"room": ""}, 422),
        ("reports", REPORT | {"room": "a\0b"}, 422),
        ("reports", REPORT | {"room": "a\ud800"}, 422),
        ("reports", REPORT | {"text": "a\0b"}, 422),
        ("reports", REPORT | {"text": "x" * 4_001}, 422),
        ("reports", REPORT | {"at": -1}, 422),
        ("reports", REPORT | {"at": 1e300}, 422),
        ("reports", REPORT | {"more": 1}, 422),
        ("appeals", {"case": "../x", "speaker": "ann"}, 422),
        ("appeals", {"case": "0", "speaker": "a" * 257}, 422),
        ("appeals", [], 422),
    ],
)
def test_invalid_reports_and_appeals_are_refused(app: httpx.Client, path: str, body: Any, status: int) -> None:
    headers = {"content-type": "application/json"}
    answer = app.post(f"/api/v1/{path}", content=json.dumps(body), headers=headers)
    assert answer.status_code == status
    assert answer.json()["detail"]


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x"])
def test_requests_without_a_valid_token_are_refused(console: Console, header: str) -> None:
    answer = httpx.post(f"{console.url}/api/v1/reports", json=REPORT, headers={"authorization": header}, timeout=60)
    assert (answer.status_code, answer.json()) == (401, {"detail": "Sign in first."})
    with console.database.read() as connection:
        assert case_queue.count_queue(connection) == 0


def test_a_token_opens_no_page(app: httpx.Client) -> None:
    assert [app.get(path).status_code for path in ("/queue", "/appeals", "/audit", "/keeping")] == [403] * 4
    assert app.post("/next").status_code == 403


def test_an_appeal_stays_open_until_nobody_can_take_the_decision_back(console: Console, app: httpx.Client) -> None:
    case = upheld(console)
    console.clock.now = NOON + 60
    appeal = app.post("/api/v1/appeals", json={"case": case, "speaker": "ann"}).json()["id"]
    with console.database.write() as connection:
        appeals.settle(connection, appeal, "ben", Choice(verdict="dismiss"), NOON + 60, 10.0)
    for later, state, settled in ((5, "open", None), (10, "open", None), (11, "overturned", NOON + 60)):
        console.clock.now = NOON + 60 + later
        found = app.get(f"/api/v1/appeals/{appeal}").json()
        assert (found["state"], found["settled_at"]) == (state, settled)
