"""Tokens of programs in the page: shown once, and accepted by scope at the console and at the HTTP API."""

import re
from html import unescape

import pytest
from pydantic import SecretStr

from pipeline.connect.api.api_access import ApiTokens
from pipeline.settings import Api, ApiToken
from tests.builders import NOON, flag
from tests.pipeline.console.conftest import Console, Enter

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
