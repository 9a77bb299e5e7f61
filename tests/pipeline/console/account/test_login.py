"""Sign-in with a password, sign-out, and the way back to the page that asked for the sign-in."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from fastapi.responses import RedirectResponse
from hypothesis import given
from hypothesis import strategies as st

from pipeline.console.account import login
from pipeline.console.account.login import BROWSER, own, with_cookie
from pipeline.console.app import create_app, open_services
from pipeline.console.guard import COOKIE
from pipeline.review.accounts import accounts, passwords
from pipeline.review.accounts.login_limits import ALLOWED
from pipeline.settings import ReviewConsole, Settings
from tests.builders import NOON
from tests.pipeline.console.conftest import NO_CERTIFICATES, Console, Enter
from tests.pipeline.console.servers import served, words
from tests.pipeline.review.hashers import Held
from tests.pipeline.review.people import PASSWORD

pytestmark = pytest.mark.usefixtures("cheap_hashes")


@pytest.fixture(autouse=True)
def unheld(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "HELD_SECONDS", 0.0)


HERE = "https://console.example"


def test_sign_in(console: Console, enter: Enter) -> None:
    with console.database.write() as connection:
        accounts.add_account(
            connection, "zoe", "moderator", NOON, "test", password=passwords.hash_new_password(PASSWORD, "zoe")
        )
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


def test_after_too_many_wrong_tries_the_page_says_how_long_to_wait(enter: Enter) -> None:
    nobody, form = enter(""), {"name": "nobody", "password": "wrong"}
    answers = [nobody.post("/login", data=form) for _ in range(ALLOWED["name"].burst + 1)]
    assert [answer.status_code for answer in answers] == [401] * ALLOWED["name"].burst + [429]
    assert answers[-1].headers["retry-after"] == "60"
    assert "Next try in 60 s." in words(answers[-1])
    chinese = nobody.post("/login", data=form, headers={"accept-language": "zh-CN"})
    assert "60 秒后可重试。" in words(chinese)


def test_a_browser_that_signed_in_before_is_not_held_up_by_guesses(console: Console, enter: Enter) -> None:
    with console.database.write() as connection:
        accounts.add_account(
            connection, "zoe", "moderator", NOON, "test", password=passwords.hash_new_password(PASSWORD, "zoe")
        )
    nobody, zoe, right = enter(""), enter(""), {"name": "zoe", "password": PASSWORD}
    entered = zoe.post("/login", data=right)
    cookie = next(line for line in entered.headers.get_list("set-cookie") if line.startswith(BROWSER))
    assert "HttpOnly" in cookie
    assert "Path=/login" in cookie
    zoe.cookies.delete(COOKIE)
    while nobody.post("/login", data=right | {"password": "wrong"}).status_code != 429:
        pass
    assert nobody.post("/login", data=right).status_code == 429
    assert zoe.post("/login", data=right).status_code == 303


def test_forwarded_addresses_count_only_from_proxies_of_the_settings(console: Console, enter: Enter) -> None:
    nobody, names = enter(""), itertools.count()

    def answer(address: str) -> int:
        form = {"name": f"nobody {next(names)}", "password": "wrong"}
        return nobody.post("/login", data=form, headers={"x-forwarded-for": address}).status_code

    statuses = [answer(f"192.0.2.{n}") for n in range(ALLOWED["address"].burst + 1)]
    assert statuses == [401] * ALLOWED["address"].burst + [429]


def test_a_flood_of_sign_ins_does_not_hold_up_the_queue(
    console: Console, enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(passwords._hasher)
    monkeypatch.setattr(passwords, "_hasher", held)
    settings = Settings(data_dir=console.evidence.parent, console=ReviewConsole(proxies=(ip_network("127.0.0.0/8"),)))
    ana = enter("ana")
    with (
        served(create_app(open_services(settings, console.database, console.clock))) as url,
        ThreadPoolExecutor(60) as pool,
    ):

        def stranger(number: int) -> int:
            form, header = {"name": "nobody", "password": "wrong"}, {"x-forwarded-for": f"192.0.2.{number}"}
            return httpx.post(f"{url}/login", data=form, headers=header, timeout=60, verify=NO_CERTIFICATES).status_code

        flood = [pool.submit(stranger, number) for number in range(60)]
        held.begun.acquire()
        assert ana.get(f"{url}/queue").status_code == 200, "while hashes are computed"
        held.go.set()
        statuses = [one.result() for one in flood]
    assert held.most == 1
    assert set(statuses) == {401, 429}


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
    response = with_cookie(RedirectResponse("/"), open_services(settings, console.database), "token")
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
