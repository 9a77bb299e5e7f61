"""Sign-in at an OpenID provider, from the console's side: its cookie, the state, and the account that it makes.

The provider here answers like a real one, over HTTP with signed tokens. `tests/browser/test_oidc.py` has a certified
one.
"""

import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from pipeline.console.account.oidc_login import BACK, COOKIE
from pipeline.console.app import create_app, open_services
from pipeline.console.guard import COOKIE as SESSION
from pipeline.review.accounts import accounts
from pipeline.review.database import Database
from pipeline.settings import Oidc, ReviewConsole, Settings
from tests.builders import NOON
from tests.pipeline.console.conftest import NO_CERTIFICATES, Clock, Console, Enter
from tests.pipeline.console.servers import served

PUBLIC = "https://console.example"


class Issuer(HTTPServer):
    """An OpenID provider that signs in everyone as `claims`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.name = f"http://127.0.0.1:{self.server_port}"
        self.key = ECKey.generate_key("P-256", {"kid": "1"})
        self.claims: dict[str, Any] = {"sub": "7", "preferred_username": "zoe", "groups": ["mods"]}
        self.asked: list[dict[str, str]] = []


class Answers(BaseHTTPRequestHandler):
    server: Issuer

    def do_GET(self) -> None:
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
        data = json.dumps(value).encode()
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
    oidc = Oidc(issuer=issuer.name, client_id="voxwarden", roles={"mods": "moderator", "leads": "lead"})
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
    assert cookie.startswith(f"{COOKIE}=")
    assert {"HttpOnly", f"Path={BACK}", "SameSite=lax"} <= set(cookie.split("; "))
    assert asked["state"] not in cookie.split(";")[0] + answer.headers["location"].replace(asked["state"], "")


def test_a_person_with_a_role_gets_an_account_and_a_session(
    browser: httpx.Client, issuer: Issuer, database: Database
) -> None:
    back = come_back(browser, leave(browser, issuer))
    assert (back.status_code, back.headers["location"]) == (303, "/audit")
    assert SESSION in browser.cookies
    assert COOKIE not in browser.cookies
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
    browser.cookies.set(COOKIE, cookie)
    refused(browser, come_back(browser, state), "belongs to no sign-in")
    assert issuer.asked == []


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"groups": ["strangers"]}, "None of your groups has a role"),
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
