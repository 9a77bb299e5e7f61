"""The API for apps: appeals and reports, tokens and limits."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import select

from pipeline.console.access_table import ACCESS
from pipeline.console.console_app import create_app
from pipeline.console.services import open_services
from pipeline.contract.messages import Verdict
from pipeline.review.cases import appeals, case_queue, deciding, user_reports
from pipeline.review.cases.case_values import Choice
from pipeline.review.database import Database
from pipeline.review.tables.assessment_tables import ROOM_HOURS
from pipeline.settings import ReviewConsole, Settings
from tests.builders import NOON, flag
from tests.pipeline.console.conftest import NO_CERTIFICATES, Clock, Console, Enter
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
        [report] = user_reports.of_case(connection, case.id)
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


def test_the_page_lists_every_endpoint_of_the_schema_with_its_description(enter: Enter) -> None:
    ana = enter("ana")
    schema, page = ana.get("/openapi.json").json(), ana.get("/docs").text
    operations = [(method, path) for path, methods in schema["paths"].items() for method in methods]
    assert len(operations) > 30
    for method, path in operations:
        assert f'<td class="mono">{method.upper()}</td><td class="prose"><span class="mono">{path}</span><br>' in page
        assert schema["paths"][path][method]["description"]
    assert "Take the most urgent free case and show it." in page


def test_the_schema_leaves_out_only_itself_and_static_files(enter: Enter) -> None:
    schema = enter("ana").get("/openapi.json").json()
    assert {"/openapi.json", "/docs", "/static/{path}"}.isdisjoint(schema["paths"])
    assert sum(len(methods) for methods in schema["paths"].values()) == len(ACCESS) - 3


def test_the_schema_names_the_verdicts(enter: Enter) -> None:
    schema = enter("ana").get("/openapi.json").json()
    body = schema["paths"]["/cases/{case}/decision"]["post"]["requestBody"]["content"]
    [form] = body.values()
    fields = schema["components"]["schemas"][form["schema"]["$ref"].rpartition("/")[2]]
    assert fields["properties"]["verdict"]["enum"] == list(get_args(Verdict))
    assert {"verdict", "lease", "version"} <= set(fields["required"])


HOUR = {"hour": "2026-01-01T12:00:00Z", "room_type": "game", "rooms": 40, "seconds": 97_200}


@pytest.fixture
def decision(console: Console) -> str:
    case = console.store.add([flag("a", 0, 5)], NOON)[0].case
    with console.database.write() as connection:
        made = deciding.decide(connection, case, "ana", Choice(verdict="uphold", action="mute"), NOON)
    console.clock.now = NOON + 60
    return made.id


def test_an_action_is_confirmed_once(app: httpx.Client, decision: str) -> None:
    body = {"decision": decision, "action": "mute", "result": "done", "at": NOON + 20}
    first, second = app.post("/api/v1/actions", json=body), app.post("/api/v1/actions", json=body | {"at": None})
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json() == body | {"received_at": NOON + 60}


def test_confirmations_that_do_not_fit_are_refused(app: httpx.Client, decision: str) -> None:
    body = {"decision": decision, "action": "mute", "result": "done"}
    for change, status in (
        ({"action": "warn"}, 409),
        ({"decision": "0"}, 404),
        ({"at": NOON + 3_600}, 409),
        ({"result": "perhaps"}, 422),
        ({"detail": "a\0b"}, 422),
        ({"more": 1}, 422),
    ):
        assert app.post("/api/v1/actions", json=body | change).status_code == status
    assert app.post("/api/v1/actions", json=body).json()["at"] == NOON + 60


def test_the_ledger_is_stored(console: Console, app: httpx.Client) -> None:
    other = HOUR | {"hour": "2026-01-01T21:00:00+08:00", "room_type": "kids"}
    assert app.put("/api/v1/room-hours", json={"lines": [HOUR, other]}).json() == {"stored": 2}
    with console.database.read() as connection:
        rows = connection.execute(select(ROOM_HOURS).order_by(ROOM_HOURS.c.hour)).all()
    noon = int(NOON) // 3_600
    assert [(row.hour, row.room_type, row.rooms, row.seconds) for row in rows] == [
        (noon, "game", 40, 97_200.0),
        (noon + 1, "kids", 40, 97_200.0),
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"hour": "2026-01-01T12:30:00Z"},
        {"hour": "2026-01-01T12:00:00"},
        {"hour": "yesterday"},
        {"rooms": -1},
        {"seconds": -1},
        {"room_type": ""},
        {"more": 1},
    ],
)
def test_an_invalid_line_is_refused(app: httpx.Client, change: dict[str, Any]) -> None:
    answer = app.put("/api/v1/room-hours", json={"lines": [HOUR | change]})
    assert (answer.status_code, bool(answer.json()["detail"])) == (422, True)


def test_more_seconds_than_an_hour_has_are_refused(app: httpx.Client) -> None:
    answer = app.put("/api/v1/room-hours", json={"lines": [HOUR | {"rooms": 1}]})
    assert (answer.status_code, "more than an hour" in answer.json()["detail"]) == (409, True)
    assert app.put("/api/v1/room-hours", json={"lines": []}).status_code == 422
