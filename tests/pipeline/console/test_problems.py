"""Errors are answered by a page, by a fragment of an open page, or by JSON for a program."""

import pytest
from starlette.requests import Request

from pipeline.console.app import create_app, open_desk
from pipeline.errors import (
    AccountError,
    CaseError,
    ConfigError,
    DependencyError,
    Involved,
    Missing,
    Stale,
    Taken,
    VoxwardenError,
)
from pipeline.settings import Settings
from tests.pipeline.console.conftest import Console, Enter

EVIL = "<script>alert(1)</script>"
FRAGMENT = {"hx-request": "true"}
BROWSER = {"accept": "text/html"}


def test_a_person_gets_a_page_and_an_open_page_a_fragment(enter: Enter) -> None:
    ana = enter("ana")
    whole, part = (ana.get("/cases/0", headers=headers) for headers in ({}, FRAGMENT))
    assert (whole.status_code, part.status_code) == (404, 404)
    assert ("<html" in whole.text, "<html" in part.text) == (True, False)
    for answer in (whole, part):
        assert "There is no case 0" in answer.text


@pytest.mark.parametrize("path", ["/nowhere", "/cases", "/static/none.css"])
def test_an_unknown_path_is_a_page_too(enter: Enter, path: str) -> None:
    answer = enter("ana").get(path)
    assert (answer.status_code, "<html" in answer.text) == (404, True)


def test_a_program_gets_json(enter: Enter) -> None:
    nobody = enter("")
    answer = nobody.post("/api/v1/reports", json={})
    assert (answer.status_code, answer.json()) == (401, {"detail": "Sign in first."})
    assert nobody.get("/api/nowhere").json() == {"detail": "Not Found"}


@pytest.mark.parametrize("path", ["/audit", "/cases/0", "/queue?room=a"])
def test_a_browser_without_a_session_goes_to_the_login(enter: Enter, path: str) -> None:
    answer = enter("").get(path, headers=BROWSER)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/login?then={path.partition('?')[0]}"


def test_an_open_page_without_a_session_goes_to_the_login(enter: Enter) -> None:
    answer = enter("").post("/next", headers=FRAGMENT | BROWSER)
    assert (answer.status_code, answer.headers["hx-redirect"], answer.text) == (401, "/login?then=/", "")
    at = {"hx-current-url": "http://desk/assessment/hazards?x=1#y"}
    answer = enter("").post("/next", headers=FRAGMENT | BROWSER | at)
    assert answer.headers["hx-redirect"] == "/login?then=/assessment/hazards"


def test_other_requests_without_a_session_get_401(enter: Enter) -> None:
    for answer in (enter("").post("/next", headers=BROWSER), enter("").get("/queue", headers={"accept": "*/*"})):
        assert (answer.status_code, answer.json()) == (401, {"detail": "Sign in first."})


def test_an_invalid_field_is_named_and_its_text_is_not_repeated(enter: Enter) -> None:
    answer = enter("ana").get("/queue", params={"room": EVIL + "\x00"})
    assert answer.status_code == 422
    assert "query.room" in answer.text
    assert "alert(1)" not in answer.text


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (Missing, 404),
        (Involved, 403),
        (Stale, 409),
        (Taken, 409),
        (CaseError, 409),
        (AccountError, 422),
        (DependencyError, 503),
        (ConfigError, 422),
        (VoxwardenError, 422),
    ],
)
async def test_each_of_our_errors_has_its_status(console: Console, kind: type[VoxwardenError], status: int) -> None:
    app = create_app(open_desk(Settings(data_dir=console.evidence.parent), console.database, console.clock))
    handler = app.exception_handlers[VoxwardenError]
    scope = {"type": "http", "method": "GET", "path": "/api/x", "headers": [], "app": app, "query_string": b""}
    answer = await handler(Request(scope), kind(EVIL, "Do this."))  # type: ignore[misc]
    assert answer.status_code == status
    assert b"Do this." in answer.body
