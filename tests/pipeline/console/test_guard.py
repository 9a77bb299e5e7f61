"""Requests that the guard refuses, and pages without foreign code."""

import re

from hypothesis import given
from hypothesis import strategies as st

from pipeline.console.guard import COOKIE, HEADER, masked, unmasked
from pipeline.review.accounts.sign_in import IDLE_SESSION_SECONDS
from tests.builders import NOON, flag
from tests.pipeline.console.conftest import Console, Enter
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


def test_an_open_page_does_not_keep_its_session_alive(console: Console, enter: Enter) -> None:
    ana, ben = enter("ana"), enter("ben")
    console.clock.now += IDLE_SESSION_SECONDS - 1
    assert ana.get("/wellness/meter").status_code == 200
    with ana.stream("GET", "/queue/live") as stream:
        assert stream.status_code == 200
    assert ben.get("/queue").status_code == 200
    console.clock.now += 2
    assert ana.get("/wellness/meter").status_code == 401
    assert ben.get("/queue").status_code == 200


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


def test_no_page_has_inline_scripts_or_styles(console: Console, enter: Enter) -> None:
    console.store.add([flag("a", 0, 5)], NOON)
    for path in ("/login", "/queue", "/me", "/docs", "/assessment", "/assessment/indicators/I-02"):
        page = enter("ada").get(path).text
        assert " style=" not in page
        assert " onclick=" not in page
        assert "<script>" not in page


TOKEN = re.compile(r'"X-CSRF-Token":"([^"]+)"')


@given(st.text("abcXYZ019-_", min_size=1, max_size=64))
def test_a_masked_token_is_the_token_again(token: str) -> None:
    one, other = masked(token), masked(token)
    assert unmasked(one) == unmasked(other) == token
    assert len(one) == len(other)


@given(st.text(max_size=200))
def test_any_text_can_be_unmasked(given_text: str) -> None:
    assert isinstance(unmasked(given_text), str)


def test_each_page_has_another_mask_and_all_are_valid(enter: Enter) -> None:
    ana = enter("ana")
    found = [TOKEN.findall(ana.get("/me").text)[0] for _ in range(3)]
    assert len(set(found)) == 3
    for token in found:
        ana.headers["x-csrf-token"] = token
        assert ana.post("/me/preferences", data={"theme": "dark"}).status_code == 303
    ana.headers["x-csrf-token"] = masked("another token of the same length, 43 signs")
    assert ana.post("/me/preferences", data={"theme": "dark"}).status_code == 403
