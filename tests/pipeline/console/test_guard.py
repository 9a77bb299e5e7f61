"""Requests that the guard refuses, and the security headers."""

import pytest

from pipeline.console.guard import COOKIE, HEADER
from pipeline.review.accounts.sessions import IDLE_SECONDS
from tests.pipeline.console.conftest import Console, Enter
from tests.pipeline.review.builders import NOON, flag
from tests.pipeline.review.people import PASSWORD

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{7*7}}"


def test_a_request_without_the_csrf_token_is_refused(console: Console, enter: Enter) -> None:
    ana = enter("ana")
    del ana.headers[HEADER]
    assert ana.post("/next").status_code == 403
    assert ana.post("/next", headers={HEADER: "guess"}).status_code == 403
    assert ana.post("/logout", data={"csrf": console.csrf(ana.cookies[COOKIE])}).status_code == 303


def test_a_login_from_another_site_is_refused(console: Console, enter: Enter) -> None:
    form = {"name": "ana", "password": PASSWORD}
    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}):
        assert enter("").post("/login", data=form, headers=headers).status_code == 403


def test_sign_in(console: Console, enter: Enter) -> None:
    from pipeline.review.accounts import accounts

    with console.database.write() as connection:
        accounts.add(connection, "zoe", "moderator", NOON, "test", password=PASSWORD)
    nobody = enter("")
    assert nobody.post("/login", data={"name": "zoe", "password": "wrong"}).status_code == 401
    entered = nobody.post("/login", data={"name": "zoe", "password": PASSWORD, "then": "/audit"})
    assert (entered.status_code, entered.headers["location"]) == (303, "/audit")
    assert "HttpOnly" in entered.headers["set-cookie"]
    assert "samesite=lax" in entered.headers["set-cookie"].lower()
    assert nobody.get("/queue").status_code == 200


def test_an_open_page_does_not_keep_its_session_alive(console: Console, enter: Enter) -> None:
    ana, ben = enter("ana"), enter("ben")
    console.clock.now += IDLE_SECONDS - 1
    assert ana.get("/wellness/meter").status_code == 200
    with ana.stream("GET", "/queue/live") as stream:
        assert stream.status_code == 200
    assert ben.get("/queue").status_code == 200
    console.clock.now += 2
    assert ana.get("/wellness/meter").status_code == 401
    assert ben.get("/queue").status_code == 200


@pytest.mark.parametrize("then", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_the_login_redirects_to_no_other_site(console: Console, enter: Enter, then: str) -> None:
    assert 'name="then" value="/"' in enter("").get("/login", params={"then": then}).text


def test_the_pages_escape_transcripts_and_names(console: Console, enter: Enter) -> None:
    evil = flag("a", 0, 5, text=EVIL, room=EVIL, speaker=EVIL, reasons=(EVIL,), hits=(), policy=EVIL)
    [outcome] = console.store.add([evil], NOON)
    ana = enter("ana")
    pages = [ana.get("/queue"), ana.post(f"/cases/{outcome.case}/open"), ana.get(f"/cases/{outcome.case}/like")]
    for page in (*pages, ana.get("/queue", params={"room": EVIL})):
        assert page.status_code == 200
        assert "<script>alert" not in page.text
        assert "<img src=x" not in page.text
        assert "&lt;script&gt;" in page.text


def test_every_answer_has_security_headers(console: Console, enter: Enter) -> None:
    for path in ("/login", "/queue", "/nowhere", "/static/console.css", "/healthz"):
        headers = enter("ana").get(path).headers
        assert "script-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_no_page_has_inline_scripts_or_styles(console: Console, enter: Enter) -> None:
    console.store.add([flag("a", 0, 5)], NOON)
    for path in ("/login", "/queue", "/me", "/docs"):
        page = enter("ana").get(path).text
        assert " style=" not in page
        assert " onclick=" not in page
        assert "<script>" not in page


def test_requests_that_are_too_large_are_refused(console: Console, enter: Enter) -> None:
    ana = enter("ana")
    assert ana.post("/next", data={"csrf": "x" * 300_000}).status_code == 413
    assert ana.post("/next", content=iter([b"x" * 300_000])).status_code in {200, 413}
    assert ana.get("/queue", params={"room": "x" * 5_000}).status_code == 414
    assert ana.get("/queue", params={"room": "x" * 300}).status_code == 422
    assert ana.get("/queue", params={"room": "a\x00b"}).status_code == 422


@pytest.mark.parametrize("name", ["../app.py", "..%2fapp.py", "app.py", "htmx.LICENSE", "x.css"])
def test_only_static_files_are_served(console: Console, enter: Enter, name: str) -> None:
    assert enter("").get(f"/static/{name}").status_code in {401, 404, 422}
