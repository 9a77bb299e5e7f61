"""The page of accounts: invitations, roles, resets, and their end of sessions."""

import re
from html import unescape
from urllib.parse import urlsplit

import httpx
import pytest
from pydantic import SecretStr

from pipeline.connect.api.api_access import ApiTokens
from pipeline.console.console_app import create_app
from pipeline.console.guard import COOKIE, HEADER
from pipeline.console.services import open_services
from pipeline.review import audit_log
from pipeline.review.accounts import accounts, passwords
from pipeline.review.accounts.accounts import INVITATION_SECONDS, Account
from pipeline.settings import Api, ApiToken, ReviewConsole, Settings
from tests.builders import NOON, flag
from tests.pipeline.console.conftest import Console, Enter
from tests.pipeline.console.servers import served
from tests.pipeline.review.people import PASSWORD

LINK = re.compile(r'<p class="mono">(http[^<]+)</p>')
EVIL = "<b>\"'&name"

pytestmark = pytest.mark.usefixtures("cheap_hashes")


def account(console: Console, name: str) -> Account:
    with console.database.read() as connection:
        return accounts.get_account(connection, name)


def invited(admin: httpx.Client, name: str = "zoe", role: str = "lead", language: str = "zh") -> str:
    """The path of the link of a new invitation."""
    page = admin.post("/accounts", data={"name": name, "role": role, "language": language})
    assert page.status_code == 200
    [link] = LINK.findall(page.text)
    assert link not in admin.get("/accounts").text, "shown once"
    return urlsplit(unescape(link)).path


def test_an_invitation_makes_an_account_and_its_link_works_once(console: Console, enter: Enter) -> None:
    path = invited(enter("ada"))
    zoe = enter("")
    assert zoe.post("/login", data={"name": "zoe", "password": ""}).status_code in {401, 422}
    assert [zoe.get(path).status_code for _ in range(2)] == [200, 200], "to look uses nothing up"
    assert zoe.post(path, data={"password": "password1234"}).status_code == 422
    started = zoe.post(path, data={"password": PASSWORD})
    assert (started.status_code, started.headers["location"]) == (303, "/")
    page = zoe.get("/me")
    assert 'lang="zh' in page.text
    assert account(console, "zoe").role == "lead"
    assert enter("").get(path).status_code == 422
    assert enter("").post(path, data={"password": PASSWORD}).status_code == 422
    assert enter("").post("/login", data={"name": "zoe", "password": PASSWORD}).status_code == 303
    with console.database.read() as connection:
        logged = [(line.actor, line.action) for line in reversed(audit_log.newest_lines(connection, subject="zoe"))]
    assert logged[:3] == [("ada", "account.add"), ("ada", "account.change"), ("ada", "account.invite")]
    assert logged[3:] == [("zoe", "account.change"), ("zoe", "login")]


WRONG = re.compile(r'<p class="wrong" id="wrong-(\w+)">([^<]+)')


@pytest.mark.parametrize(("language", "words"), [("en", "The password is easy to guess."), ("zh", "密码")])
def test_an_invited_person_learns_beside_the_field_why_a_password_is_refused(
    enter: Enter, language: str, words: str
) -> None:
    path = invited(enter("ada"))
    refused = enter("").post(path, data={"password": "password1234"}, headers={"accept-language": language})
    [(field, reason)] = WRONG.findall(refused.text)
    assert (refused.status_code, field) == (422, "password")
    assert reason.startswith(words)
    assert f'action="{path}"' in refused.text
    assert 'aria-describedby="wrong-password" autofocus' in refused.text
    assert "password1234" not in refused.text


def test_a_refused_invitation_keeps_what_was_typed(enter: Enter) -> None:
    refused = enter("ada").post("/accounts", data={"name": "ben", "role": "auditor", "language": "zh"})
    [(field, _)] = WRONG.findall(refused.text)
    assert (refused.status_code, field) == (422, "name")
    assert "An account named <bdi>ben</bdi> exists already." in refused.text
    assert '<input name="name" value="ben"' in refused.text
    assert 'value="auditor" checked' in refused.text
    assert '<option value="zh" selected>' in refused.text


@pytest.mark.parametrize(
    ("path", "form", "field"), [("role", {"role": "lead"}, "role"), ("disabled", {"disabled": "on"}, "disabled")]
)
def test_the_last_admin_is_kept_and_the_page_says_why(
    enter: Enter, path: str, form: dict[str, str], field: str
) -> None:
    refused = enter("ada").post(f"/accounts/{path}", data=form | {"name": "ada"})
    [(at, reason)] = WRONG.findall(refused.text)
    assert (refused.status_code, at) == (422, field)
    assert reason.startswith("This is the last admin.")
    assert 'id="opened"' in refused.text


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"name": " ", "scopes": "cases", "until": "2026-05-01"}, "name"),
        ({"name": "The app", "until": "2026-05-01"}, "scopes"),
        ({"name": "The app", "scopes": "cases", "until": "2025-05-01"}, "until"),
    ],
)
def test_a_refused_token_keeps_what_was_typed(enter: Enter, form: dict[str, str], field: str) -> None:
    refused = enter("ada").post("/accounts/tokens", data=form)
    assert (refused.status_code, [at for at, _ in WRONG.findall(refused.text)]) == (422, [field])
    assert f'name="name" value="{form["name"]}"' in refused.text
    assert f'name="until" value="{form["until"]}"' in refused.text
    assert ('value="cases" checked' in refused.text) == ("scopes" in form)


def test_a_link_follows_the_port_and_warns_unless_the_settings_name_the_address(console: Console, enter: Enter) -> None:
    answer = enter("ada").post("/accounts", data={"name": "zoe", "role": "lead"}).text
    assert LINK.findall(answer)[0].startswith(f"{console.url}/invitation/")
    assert "Set console.public_url" in answer
    named = ReviewConsole(public_url="https://desk.example/")
    settings = Settings(data_dir=console.evidence.parent, console=named)
    with served(create_app(open_services(settings, console.database, console.clock))) as url:
        token = console.cookie("ada")
        sent = {HEADER: console.csrf(token), "cookie": f"{COOKIE}={token}"}
        answer = httpx.post(f"{url}/accounts", data={"name": "yan", "role": "lead"}, headers=sent, timeout=60).text
    assert LINK.findall(answer)[0].startswith("https://desk.example/invitation/")
    assert "Set console.public_url" not in answer


def test_a_link_ends_with_time_a_newer_link_or_its_account(console: Console, enter: Enter) -> None:
    admin = enter("ada")
    first = invited(admin)
    [second] = LINK.findall(admin.post("/accounts/reset", data={"name": "zoe"}).text)
    second = urlsplit(second).path
    nobody = enter("")
    assert [nobody.get(path).status_code for path in (first, second, "/invitation/x")] == [422, 200, 422]
    admin.post("/accounts/disabled", data={"name": "zoe", "disabled": "on"})
    assert nobody.get(second).status_code == 422
    admin.post("/accounts/disabled", data={"name": "zoe", "disabled": "off"})
    console.clock.now += INVITATION_SECONDS - 1
    assert nobody.get(second).status_code == 200
    console.clock.now += 1
    assert nobody.post(second, data={"password": PASSWORD}).status_code == 422


def test_the_store_does_not_hold_the_link(console: Console, enter: Enter) -> None:
    token = invited(enter("ada")).rpartition("/")[2]
    with console.database.read() as connection:
        rows = str(connection.exec_driver_sql("SELECT * FROM invitations").all())
        assert token not in rows + str(list(audit_log.all_lines(connection)))


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("role", {"role": "lead"}),
        ("disabled", {"disabled": "on"}),
        ("reset", {}),
        ("codes", {}),
    ],
)
def test_a_change_ends_the_sessions_at_once_and_is_logged(
    console: Console, enter: Enter, path: str, form: dict[str, str]
) -> None:
    with console.database.write() as connection:
        changes = {"password": passwords.hash_new_password(PASSWORD, "ana"), "totp_secret": "A" * 32}
        accounts.change_account(connection, "ana", NOON, "test", **changes)
    ana, admin = enter("ana"), enter("ada")
    assert ana.get("/queue").status_code == 200
    assert admin.post(f"/accounts/{path}", data={"name": "ana"} | form).status_code in {200, 303}
    assert ana.get("/queue").status_code == 401
    after = account(console, "ana")
    assert (after.role, after.disabled, after.password is None, after.totp_secret is None) == (
        "lead" if path == "role" else "moderator",
        path == "disabled",
        path == "reset",
        path == "codes",
    )
    with console.database.read() as connection:
        assert "ada" in {line.actor for line in audit_log.newest_lines(connection, subject="ana", limit=2)}


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("", {"name": "ana", "role": "lead"}),
        ("", {"name": "zoe", "role": "king"}),
        ("", {"name": "zoe", "role": "lead", "language": "xx"}),
        ("/role", {"name": "nobody", "role": "lead"}),
        ("/disabled", {"name": "ana", "disabled": "maybe"}),
        ("/reset", {"name": "nobody"}),
    ],
)
def test_wrong_forms_change_nothing(console: Console, enter: Enter, path: str, form: dict[str, str]) -> None:
    admin = enter("ada")
    with console.database.read() as connection:
        before = accounts.all_accounts(connection)
    assert admin.post(f"/accounts{path}", data=form).status_code == 422
    with console.database.read() as connection:
        assert accounts.all_accounts(connection) == before


def test_an_account_of_the_provider_has_no_password_to_reset(console: Console, enter: Enter) -> None:
    with console.database.write() as connection:
        accounts.account_of_identity(connection, "subject", "ann", "lead", NOON)
    admin = enter("ada")
    assert admin.post("/accounts/reset", data={"name": "ann"}).status_code == 422
    assert "OpenID Connect" in admin.get("/accounts").text


def test_all_that_an_admin_can_do_with_an_account_stands_below_it(console: Console, enter: Enter) -> None:
    with console.database.write() as connection:
        accounts.change_account(
            connection, "ana", NOON, "test", password=passwords.hash_new_password(PASSWORD, "ana"), totp_secret="A" * 32
        )
        accounts.account_of_identity(connection, "subject", "ann", "lead", NOON)
    admin = enter("ada")
    actions = re.compile(r'<form method="post" action="(/accounts[^"]*|/skills)"')
    own = ["/accounts/role", "/skills", "/accounts/reset", "/accounts/codes", "/accounts/disabled", "/accounts"]
    expected = {
        "": ["/accounts"],
        "ana": own,
        "ann": ["/skills", "/accounts/disabled", "/accounts"],
        "aud": ["/accounts/role", "/accounts/reset", "/accounts/disabled", "/accounts"],
        "nobody": ["/accounts"],
    }
    forms = {name: actions.findall(admin.get("/accounts", params={"name": name}).text) for name in expected}
    assert forms == expected
    after = admin.post("/accounts/role", data={"name": "ana", "role": "lead"}).headers["location"]
    assert after == "/accounts?name=ana#opened"


def test_names_are_escaped(enter: Enter) -> None:
    admin = enter("ada")
    invited(admin, EVIL)
    page = admin.get("/accounts").text
    assert EVIL not in page
    assert f"<bdi>{EVIL}" not in page
    assert "&lt;b&gt;" in page


def test_an_invitation_from_another_site_is_refused(console: Console, enter: Enter) -> None:
    path = invited(enter("ada"))
    stranger = enter("")
    assert stranger.post(path, data={"password": PASSWORD}, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    signed_in = enter("ana")
    del signed_in.headers[HEADER]
    assert signed_in.post(path, data={"password": PASSWORD}).status_code == 403
    assert signed_in.cookies[COOKIE]


MADE = re.compile(r'<p class="mono">(vw_[^<]+)</p>')
REPORT = {"room": "lounge", "speaker": "ben", "text": "He shouts."}


def made(enter: Enter, *scopes: str, until: str = "") -> str:
    admin = enter("ada")
    page = admin.post("/accounts/tokens", data={"name": "voice <app>", "scopes": list(scopes), "until": until})
    assert page.status_code == 200
    [token] = MADE.findall(page.text)
    shown = admin.get("/accounts/tokens").text
    assert token[11:] not in shown
    assert token[:11] in shown
    assert "voice <app>" in unescape(shown)
    assert "voice <app>" not in shown
    return str(token)


def report(enter: Enter, token: str) -> int:
    return enter("").post("/api/v1/reports", json=REPORT, headers={"authorization": f"Bearer {token}"}).status_code


def test_a_token_is_accepted_by_its_scopes(console: Console, enter: Enter) -> None:
    console.store.add([flag("a", 0, 5)], NOON)
    assert report(enter, made(enter, "reports")) == 201
    assert report(enter, made(enter, "appeals", "cases")) == 403
    assert report(enter, "vw_00000000_nothing") == 401
    assert "2026-" in enter("ada").get("/accounts/tokens").text.partition("<tbody>")[2], "the last use"


def test_a_token_ends_when_it_is_revoked_or_its_day_is_over(console: Console, enter: Enter) -> None:
    revoked, dated = made(enter, "reports"), made(enter, "reports", until="2026-01-02")
    answer = enter("ada").post("/accounts/tokens/revoke", data={"token": revoked[:11]})
    assert answer.status_code == 303
    assert [report(enter, token) for token in (revoked, dated)] == [401, 201]
    console.clock.now = 1_767_398_400.0  # 2026-01-03 00:00 UTC
    assert report(enter, dated) == 401


def test_a_new_token_has_an_end_unless_the_admin_takes_it_away(enter: Enter) -> None:
    page = enter("ada").get("/accounts/tokens").text
    assert 'name="until" value="2026-04-01"' in page, "90 days after the first of January"


@pytest.mark.parametrize(
    "form", [{"name": "x"}, {"name": "x", "scopes": "all"}, {"name": " ", "scopes": "cases"}, {"scopes": "cases"}]
)
def test_wrong_forms_are_refused(enter: Enter, form: dict[str, str]) -> None:
    assert enter("ada").post("/accounts/tokens", data=form).status_code == 422


async def test_the_http_api_accepts_the_token_with_its_scopes(console: Console, enter: Enter) -> None:
    token = made(enter, "cases", "reports")
    settings = Api(host="192.0.2.1", tokens=(ApiToken(token=SecretStr("x" * 16), scopes=frozenset({"verdicts"})),))
    tokens = ApiTokens(settings, console.database, console.clock)
    program = await tokens.stored([f"Bearer {token}"])
    assert program is not None
    assert program.scopes == {"cases", "reports"}
    assert program.number > 1
    for headers in ([], [f"Basic {token}"], [f"Bearer {token}x"], [f"Bearer {token}"] * 2):
        assert await tokens.stored(headers) is None
    assert tokens.program([f"Bearer {token}"]) is None
