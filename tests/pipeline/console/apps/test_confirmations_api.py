"""The API for apps: confirmations of actions, and the ledger of rooms."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import select

from pipeline.console.app import create_app, open_services
from pipeline.review.cases import deciding
from pipeline.review.cases.values import Choice
from pipeline.review.database import Database
from pipeline.review.tables.assessment_tables import ROOM_HOURS
from pipeline.settings import ReviewConsole, Settings
from tests.builders import NOON, flag
from tests.pipeline.console.conftest import NO_CERTIFICATES, Clock, Console
from tests.pipeline.console.servers import served

TOKEN = "a-token-of-the-app"  # noqa: S105 - of tests
HOUR = {"hour": "2026-01-01T12:00:00Z", "room_type": "game", "rooms": 40, "seconds": 97_200}


@pytest.fixture
def console(tmp_path: Path, staffed: Path) -> Iterator[Console]:
    settings = Settings(data_dir=tmp_path, console=ReviewConsole(api_tokens=(SecretStr(TOKEN),)))
    shutil.copy(staffed, tmp_path / "voxwarden.db")
    database, clock = Database(settings.database_url), Clock()
    with served(create_app(open_services(settings, database, clock))) as url:
        yield Console(url, database, clock, tmp_path)
    database.close()


@pytest.fixture
def app(console: Console) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {TOKEN}"}
    url = f"{console.url}/api/v1/"
    with httpx.Client(base_url=url, headers=headers, timeout=60, verify=NO_CERTIFICATES) as client:
        yield client


@pytest.fixture
def decision(console: Console) -> str:
    case = console.store.add([flag("a", 0, 5)], NOON)[0].case
    with console.database.write() as connection:
        made = deciding.decide(connection, case, "ana", Choice(verdict="uphold", action="mute"), NOON)
    console.clock.now = NOON + 60
    return made.id


def test_an_action_is_confirmed_once(app: httpx.Client, decision: str) -> None:
    body = {"decision": decision, "action": "mute", "result": "done", "at": NOON + 20}
    first, second = app.post("actions", json=body), app.post("actions", json=body | {"at": None})
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
        assert app.post("actions", json=body | change).status_code == status
    assert app.post("actions", json=body).json()["at"] == NOON + 60


def test_the_ledger_is_stored(console: Console, app: httpx.Client) -> None:
    other = HOUR | {"hour": "2026-01-01T21:00:00+08:00", "room_type": "kids"}
    assert app.put("room-hours", json={"lines": [HOUR, other]}).json() == {"stored": 2}
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
    answer = app.put("room-hours", json={"lines": [HOUR | change]})
    assert (answer.status_code, bool(answer.json()["detail"])) == (422, True)


def test_more_seconds_than_an_hour_has_are_refused(app: httpx.Client) -> None:
    answer = app.put("room-hours", json={"lines": [HOUR | {"rooms": 1}]})
    assert (answer.status_code, "more than an hour" in answer.json()["detail"]) == (409, True)
    assert app.put("room-hours", json={"lines": []}).status_code == 422


def test_the_api_needs_a_token(console: Console) -> None:
    answer = httpx.put(f"{console.url}/api/v1/room-hours", json={"lines": [HOUR]}, timeout=60)
    assert answer.status_code == 401
