"""Sign-in with a password, sign-out, and the way back to the page that asked for the sign-in."""

import itertools
import json
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urljoin, urlsplit

import httpx
import pytest
from fastapi import Request
from fastapi.responses import RedirectResponse
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey
from sqlalchemy import select

from pipeline.console import login
from pipeline.console.console_app import create_app
from pipeline.console.guard import COOKIE
from pipeline.console.guard import COOKIE as SESSION
from pipeline.console.login import (
    BACK,
    BROWSER,
    FIRST_NAME,
    OIDC_COOKIE,
    first_login,
    network_of,
    own_path,
    with_cookie,
)
from pipeline.console.services import open_services
from pipeline.review import audit_log
from pipeline.review.accounts import accounts, passwords
from pipeline.review.accounts.login_limits import ALLOWED
from pipeline.review.accounts.sign_in import PasswordChecker, Visitor
from pipeline.review.database import Database
from pipeline.review.tables.core import ACCOUNTS
from pipeline.settings import Oidc, ReviewConsole, Settings
from tests.builders import NOON
from tests.pipeline.console.conftest import NO_CERTIFICATES, Clock, Console, Enter
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
def test_an_https_address_makes_the_cookie_secure(console: Console, secure: bool) -> None:
    address = f"http{'s' if secure else ''}://console.example"
    settings = Settings(data_dir=console.evidence.parent, console=ReviewConsole(public_url=address))
    response = with_cookie(RedirectResponse("/"), open_services(settings, console.database), "token")
    assert ("Secure" in response.headers["set-cookie"]) == secure


@pytest.mark.parametrize("then", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_the_login_redirects_to_no_other_site(console: Console, enter: Enter, then: str) -> None:
    assert 'name="then" value="/"' in enter("").get("/login", params={"then": then}).text


@given(st.text(st.sampled_from("/\\\t\n.:@ aé%?#"), max_size=8).map(lambda path: f"{path}evil.example/"))
def test_no_text_leads_to_another_site(then: str) -> None:
    location = RedirectResponse(own_path(then)).headers["location"]
    assert urlsplit(urljoin(HERE, location.replace("\\", "/"))).netloc == "console.example"


@given(st.text("abcXYZ019-", min_size=1).map(lambda name: f"/{name}?a=b"))
def test_a_path_of_the_console_is_kept(then: str) -> None:
    assert own_path(then) == then


PROXIES = (ip_network("10.0.0.0/8"), ip_network("2001:db8:ffff::/48"))


def network(peer: str | None, *forwarded: str) -> str:
    headers = [(b"x-forwarded-for", line.encode()) for line in forwarded]
    return network_of(Request({"type": "http", "client": peer and (peer, 1), "headers": headers}), PROXIES)


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("192.0.2.1", (), "192.0.2.1"),
        ("192.0.2.1", ("198.51.100.7",), "192.0.2.1"),
        ("10.1.1.1", ("198.51.100.7",), "198.51.100.7"),
        ("10.1.1.1", ("203.0.113.9, 198.51.100.7",), "198.51.100.7"),
        ("10.1.1.1", ("203.0.113.9, 198.51.100.7, 10.2.2.2",), "198.51.100.7"),
        ("10.1.1.1", ("203.0.113.9", "198.51.100.7"), "198.51.100.7"),
        ("10.1.1.1", (), "10.1.1.1"),
        ("10.1.1.1", ("unknown",), "10.1.1.1"),
        ("2001:db8:ffff::1", ("2001:db8:1:2:3:4:5:6",), "2001:db8:1:2::/64"),
        ("::ffff:10.1.1.1", ("::ffff:198.51.100.7",), "198.51.100.7"),
        (None, ("198.51.100.7",), ""),
    ],
)
def test_only_what_a_proxy_added_counts(peer: str | None, forwarded: tuple[str, ...], found: str) -> None:
    assert network(peer, *forwarded) == found


@given(st.lists(st.text(st.characters(codec="ascii", exclude_characters="\r\n")), max_size=3))
def test_a_client_cannot_choose_its_address(written: list[str]) -> None:
    assert network("10.1.1.1", *written, "198.51.100.7") == "198.51.100.7"
    assert network("192.0.2.1", *written) == "192.0.2.1"


@given(st.text(st.characters(codec="latin-1")))
def test_no_header_fails(written: str) -> None:
    assert network("10.1.1.1", written.encode("latin-1").decode("latin-1"))


PUBLIC = "http://console.example"


class Issuer(HTTPServer):
    """An OpenID provider that signs in everyone as `claims`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.name = f"http://127.0.0.1:{self.server_port}"
        self.key = ECKey.generate_key("P-256", {"kid": "1"})
        self.claims: dict[str, Any] = {"sub": "7", "preferred_username": "zoe", "groups": ["mods"]}
        self.asked: list[dict[str, str]] = []
        self.odd: dict[str, bytes] = {}
        """Other answers, by path."""
        self.awake = threading.Event()
        self.awake.set()
        self.reached = 0


class Answers(BaseHTTPRequestHandler):
    server: Issuer

    def do_GET(self) -> None:
        self.server.reached += 1
        assert self.server.awake.wait(60)
        if (odd := self.server.odd.get(self.path)) is not None:
            self._write(odd)
            return
        name = self.server.name
        keys = {"keys": [self.server.key.as_dict(private=False)]}
        ends = {f"{end}_endpoint": f"{name}/{end}" for end in ("authorization", "token")}
        self._answer(keys if self.path == "/keys" else {"issuer": name, "jwks_uri": f"{name}/keys", **ends})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        self.server.asked.append(dict(parse_qsl(body)))
        claims = {"iss": self.server.name, "aud": "voxwarden", "exp": int(NOON) + 60, **self.server.claims}
        self._answer({"id_token": jwt.encode({"alg": "ES256", "kid": "1"}, claims, self.server.key)})

    def _answer(self, value: dict[str, Any]) -> None:
        self._write(json.dumps(value).encode())

    def _write(self, data: bytes) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Log no requests."""


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def database(tmp_path: Path, staffed: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{shutil.copy(staffed, tmp_path / 'voxwarden.db')}")
    yield opened
    opened.close()


@pytest.fixture
def browser(tmp_path: Path, database: Database, issuer: Issuer) -> Iterator[httpx.Client]:
    """A browser at a console that knows the provider."""
    oidc = Oidc(issuer=issuer.name, client_id="voxwarden", roles={"mods": "moderator", "leads": "lead"}, seconds=60)
    console = ReviewConsole(public_url=f"{PUBLIC}/", oidc=oidc)
    app = create_app(open_services(Settings(data_dir=tmp_path, console=console), database, Clock()))
    with served(app) as url, httpx.Client(base_url=url, timeout=60, verify=NO_CERTIFICATES) as client:
        yield client


def leave(browser: httpx.Client, issuer: Issuer, then: str = "/audit") -> str:
    """Go to the provider and return the state."""
    answer = browser.get("/login/oidc", params={"then": then})
    assert answer.status_code == 303
    asked = parse_qs(urlsplit(answer.headers["location"]).query)
    issuer.claims["nonce"] = asked["nonce"][0]
    return asked["state"][0]


def come_back(browser: httpx.Client, state: str, code: str = "code") -> httpx.Response:
    return browser.get(BACK, params={"code": code, "state": state})


def test_the_browser_goes_to_the_provider_with_a_cookie_for_the_way_back(browser: httpx.Client, issuer: Issuer) -> None:
    answer = browser.get("/login/oidc")
    target = urlsplit(answer.headers["location"])
    asked = {name: values[0] for name, values in parse_qs(target.query).items()}
    assert f"{target.scheme}://{target.netloc}{target.path}" == f"{issuer.name}/authorization"
    assert asked["redirect_uri"] == PUBLIC + BACK
    assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{OIDC_COOKIE}=")
    assert {"HttpOnly", f"Path={BACK}", "SameSite=lax"} <= set(cookie.split("; "))
    assert asked["state"] not in cookie.split(";")[0] + answer.headers["location"].replace(asked["state"], "")


def test_a_person_with_a_role_gets_an_account_and_a_session(
    browser: httpx.Client, issuer: Issuer, database: Database
) -> None:
    back = come_back(browser, leave(browser, issuer))
    assert (back.status_code, back.headers["location"]) == (303, "/audit")
    assert SESSION in browser.cookies
    assert OIDC_COOKIE not in browser.cookies
    [asked] = issuer.asked
    assert (asked["code"], asked["redirect_uri"]) == ("code", PUBLIC + BACK)
    assert "<bdi>zoe</bdi>" in browser.get("/queue").text
    with database.read() as connection:
        account = accounts.find_account(connection, "zoe")
    assert account is not None
    assert (account.role, account.password) == ("moderator", None)


def test_the_next_sign_in_takes_the_provider_s_current_role(
    browser: httpx.Client, issuer: Issuer, database: Database
) -> None:
    come_back(browser, leave(browser, issuer))
    issuer.claims["groups"] = ["mods", "leads"]
    come_back(browser, leave(browser, issuer))
    with database.read() as connection:
        assert [one.role for one in accounts.all_accounts(connection) if one.name == "zoe"] == ["lead"]


def refused(browser: httpx.Client, answer: httpx.Response, why: str) -> None:
    assert answer.status_code == 422
    assert why in answer.text
    assert SESSION not in browser.cookies


@pytest.mark.parametrize(("state", "code"), [("", "code"), ("guess", "code"), ("é", "code"), (None, "")])
def test_an_answer_with_a_wrong_state_or_no_code_is_refused(
    browser: httpx.Client, issuer: Issuer, state: str | None, code: str
) -> None:
    right = leave(browser, issuer)
    refused(browser, come_back(browser, right if state is None else state, code), "belongs to no sign-in")
    assert issuer.asked == []


@pytest.mark.parametrize("cookie", ["", "zz", "7b7d", "ff", "5b5d"])
def test_an_answer_without_the_cookie_of_the_sign_in_is_refused(
    browser: httpx.Client, issuer: Issuer, cookie: str
) -> None:
    state = leave(browser, issuer)
    browser.cookies.clear()
    browser.cookies.set(OIDC_COOKIE, cookie)
    refused(browser, come_back(browser, state), "belongs to no sign-in")
    assert issuer.asked == []


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"groups": ["strangers"]}, "None of your groups has a role"),
        ({"groups": None}, "None of your groups has a role"),
        ({"groups": 5}, "None of your groups has a role"),
        ({"aud": ["voxwarden", "another"], "azp": "another"}, "account is not valid"),
        ({"nonce": "another"}, "account is not valid"),
        ({"aud": "another"}, "account is not valid"),
        ({"iss": "https://evil.example"}, "account is not valid"),
        ({"exp": int(NOON) - 61}, "account is not valid"),
        ({"preferred_username": "ada"}, "exists already"),
    ],
)
def test_a_token_that_is_not_for_this_sign_in_is_refused(
    browser: httpx.Client, issuer: Issuer, claims: dict[str, Any], why: str
) -> None:
    state = leave(browser, issuer)
    issuer.claims |= claims
    refused(browser, come_back(browser, state), why)


DISCOVERY = "/.well-known/openid-configuration"


@pytest.mark.parametrize(
    ("path", "odd"),
    [
        (DISCOVERY, b"{}"),
        (DISCOVERY, b"[" * 100_000),
        ("/keys", b"[" * 100_000),
        ("/keys", b"{}"),
        ("/keys", b'{"keys": null}'),
        ("/keys", b'{"keys": [{"kty": "EC", "crv": "P-999", "x": "AQ", "y": "AQ", "kid": "1"}]}'),
    ],
)
def test_a_provider_that_answers_wrongly_is_an_outage(
    browser: httpx.Client, issuer: Issuer, path: str, odd: bytes
) -> None:
    issuer.odd[path] = odd
    answer = browser.get("/login/oidc") if path == DISCOVERY else come_back(browser, leave(browser, issuer))
    assert answer.status_code == 503
    assert SESSION not in browser.cookies


def test_strangers_who_wait_for_a_provider_do_not_stop_other_pages(browser: httpx.Client, issuer: Issuer) -> None:
    issuer.awake.clear()
    with ThreadPoolExecutor(50) as strangers:
        for _ in range(50):  # more than the server has threads
            strangers.submit(httpx.get, f"{browser.base_url}/login/oidc", timeout=60, verify=NO_CERTIFICATES)
        while issuer.reached < 1:
            threading.Event().wait(0.01)
        try:
            for _ in range(30):  # while they arrive
                assert browser.get("/login", timeout=20).status_code == 200
        finally:
            issuer.awake.set()


def test_a_person_who_is_disabled_here_is_refused(browser: httpx.Client, issuer: Issuer, database: Database) -> None:
    come_back(browser, leave(browser, issuer))
    with database.write() as connection:
        accounts.change_account(connection, "zoe", NOON, "ada", disabled=True)
    browser.cookies.clear()
    refused(browser, come_back(browser, leave(browser, issuer)), "is disabled")


@pytest.mark.parametrize("then", ["https://evil.example", "//evil.example", "/\\evil.example"])
def test_the_way_back_leads_to_no_other_site(browser: httpx.Client, issuer: Issuer, then: str) -> None:
    assert come_back(browser, leave(browser, issuer, then)).headers["location"] == "/"


def test_without_a_provider_nobody_is_sent_anywhere(console: Console, enter: Enter) -> None:
    nobody = enter("")
    assert nobody.get("/login/oidc").status_code == 422
    assert "/login/oidc" not in nobody.get("/login").text


def test_an_empty_store_gets_one_admin_who_can_sign_in(url: str) -> None:
    with closing(Database(url)) as database:
        made = first_login(database, lambda: NOON)
        assert made is not None
        name, password = made
        with database.read() as connection:
            [account] = accounts.all_accounts(connection)
            [row] = connection.execute(select(ACCOUNTS)).all()
            [line] = audit_log.all_lines(connection)
        assert (name, account.name, account.role, account.disabled) == (FIRST_NAME, FIRST_NAME, "admin", False)
        assert password not in str(row)
        assert (line.at, line.actor, line.action) == (NOON, "voxwarden", "account.add")
        door = PasswordChecker(database, lambda: NOON)
        assert door.sign_in(name, password, "", Visitor())
        assert not door.sign_in(name, password + "x", "", Visitor())
        assert first_login(database) is None


def test_any_account_is_enough(database: Database) -> None:
    assert first_login(database) is None
    with database.read() as connection:
        assert accounts.find_account(connection, FIRST_NAME) is None


def test_processes_that_start_together_make_one_account(url: str) -> None:
    database = Database(url)
    try:
        with ThreadPoolExecutor(4) as pool:
            made = list(pool.map(lambda _: first_login(database), range(4)))
        assert sum(one is not None for one in made) == 1
    finally:
        database.close()
