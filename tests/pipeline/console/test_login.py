"""Sign-in with a password, sign-out, and the way back to the page that asked for the sign-in."""

from urllib.parse import urljoin, urlsplit

import pytest
from fastapi.responses import RedirectResponse
from hypothesis import given
from hypothesis import strategies as st

from pipeline.console.app import open_desk
from pipeline.console.guard import COOKIE
from pipeline.console.login import own, with_cookie
from pipeline.review.accounts import accounts
from pipeline.settings import ReviewConsole, Settings
from tests.builders import NOON
from tests.pipeline.console.conftest import Console, Enter
from tests.pipeline.review.people import PASSWORD

HERE = "https://console.example"


@pytest.mark.usefixtures("cheap_hashes")
def test_sign_in(console: Console, enter: Enter) -> None:
    with console.database.write() as connection:
        accounts.add(connection, "zoe", "moderator", NOON, "test", password=PASSWORD)
    nobody = enter("")
    refused = nobody.post("/login", data={"name": "zoe", "password": "wrong", "then": "/audit"})
    assert refused.status_code == 401
    assert 'name="then" value="/audit"' in refused.text
    assert COOKIE not in refused.cookies
    entered = nobody.post("/login", data={"name": "zoe", "password": PASSWORD, "then": "/audit"})
    assert (entered.status_code, entered.headers["location"]) == (303, "/audit")
    assert "HttpOnly" in entered.headers["set-cookie"]
    assert "samesite=lax" in entered.headers["set-cookie"].lower()
    assert nobody.get("/queue").status_code == 200


def test_a_sign_out_ends_the_session_and_not_only_the_cookie(console: Console, enter: Enter) -> None:
    ana, again = enter("ana"), enter("")
    again.cookies.set(COOKIE, ana.cookies[COOKIE])
    left = ana.post("/logout")
    assert (left.status_code, left.headers["location"]) == (303, "/login")
    assert 'voxwarden_session=""' in left.headers["set-cookie"]
    assert again.get("/queue").status_code == 401
    assert enter("ana").get("/queue").status_code == 200


@pytest.mark.parametrize("secure", [True, False])
def test_the_setting_makes_the_cookie_secure(console: Console, secure: bool) -> None:
    settings = Settings(data_dir=console.evidence.parent, console=ReviewConsole(secure_cookies=secure))
    response = with_cookie(RedirectResponse("/"), open_desk(settings, console.database), "token")
    assert ("Secure" in response.headers["set-cookie"]) == secure


@pytest.mark.parametrize("then", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_the_login_redirects_to_no_other_site(console: Console, enter: Enter, then: str) -> None:
    assert 'name="then" value="/"' in enter("").get("/login", params={"then": then}).text


@given(st.text(st.sampled_from("/\\\t\n.:@ aé%?#"), max_size=8).map(lambda path: f"{path}evil.example/"))
def test_no_text_leads_to_another_site(then: str) -> None:
    location = RedirectResponse(own(then)).headers["location"]
    assert urlsplit(urljoin(HERE, location.replace("\\", "/"))).netloc == "console.example"


@given(st.text("abcXYZ019-", min_size=1).map(lambda name: f"/{name}?a=b"))
def test_a_path_of_the_console_is_kept(then: str) -> None:
    assert own(then) == then
