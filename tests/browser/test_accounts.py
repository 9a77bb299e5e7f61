"""Accounts in a browser: from the invitation to the end, one's own password and codes, and the tokens of programs."""

import re
import time

import httpx
import pyotp
import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import func, select

from pipeline.review import audit_log
from pipeline.review.accounts import accounts, api_tokens, passwords
from pipeline.review.accounts.accounts import Account
from pipeline.review.tables.core import SESSIONS
from tests.browser.conftest import Sit, Stack
from tests.browser.test_look import violations
from tests.pipeline.review.people import PASSWORD

OTHER, LAST = "green harbour seven lanterns", "quiet marble under fourteen clouds"
pytestmark = pytest.mark.usefixtures("cheap_hashes")


def account(stack: Stack, name: str) -> Account:
    with stack.database.read() as connection:
        return accounts.get_account(connection, name)


def sessions(stack: Stack, name: str) -> int:
    with stack.database.read() as connection:
        query = select(func.count()).select_from(SESSIONS).where(SESSIONS.c.account == name)
        return connection.execute(query).scalar_one()


def sign_in(page: Page, stack: Stack, name: str, password: str, code: str = "") -> None:
    page.goto(f"{stack.url}/login")
    page.get_by_label("Account name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_label("One-time code").fill(code)
    page.get_by_role("button", name="Sign in").click()


def accept(page: Page, link: str, password: str) -> None:
    page.goto(link)
    page.get_by_label("New password").fill(password)
    page.get_by_role("button", name="Set password and start").click()
    page.wait_for_url("**/queue")


def is_signed_out(page: Page, stack: Stack) -> bool:
    page.goto(f"{stack.url}/inbox")
    return page.url.startswith(f"{stack.url}/login")


def test_an_account_is_invited_promoted_reset_and_disabled(stack: Stack, sit: Sit) -> None:
    admin, mia = sit("ada", path="/accounts"), sit("", path="/login")
    invite, link = admin.locator("#invite"), admin.locator(".copied .mono")
    invite.get_by_label("Account name").fill("mia")
    invite.get_by_label("Moderator").check()
    invite.get_by_role("button", name="Create account and link").click()
    assert violations(admin) == []
    accept(mia, link.inner_text(), PASSWORD)

    admin.get_by_label("Role of mia").select_option("lead")
    admin.get_by_role("button", name="Save role").click()
    expect(admin.locator("#opened")).to_contain_text("lead")
    assert is_signed_out(mia, stack)
    sign_in(mia, stack, "mia", PASSWORD)
    expect(mia.get_by_role("link", name="Team")).to_be_visible()

    admin.get_by_role("button", name="Reset password").click()
    accept(mia, link.inner_text(), OTHER)
    assert passwords.password_fits(OTHER, account(stack, "mia").password)
    admin.goto(f"{stack.url}/accounts?name=mia")
    admin.get_by_role("button", name="Disable").click()
    expect(admin.locator("#opened")).to_contain_text("Disabled")
    assert (account(stack, "mia").role, account(stack, "mia").disabled, sessions(stack, "mia")) == ("lead", True, 0)
    assert is_signed_out(mia, stack)
    sign_in(mia, stack, "mia", OTHER)
    expect(mia.get_by_role("alert")).to_have_text("Name, password or code is wrong.")
    with stack.database.read() as connection:
        logged = [line.action for line in reversed(audit_log.newest_lines(connection, subject="mia"))]
    invited = ["account.change", "account.invite", "account.change"]  # the link, and the password by it
    assert logged[:-1] == ["account.add", *invited, "account.change", "login", *invited, "account.change"]
    assert logged[-1] == "login.refused"


def test_a_person_changes_the_password_and_needs_a_code_from_then_on(stack: Stack, sit: Sit) -> None:
    with stack.database.write() as connection:
        stored = passwords.hash_new_password(PASSWORD, "ana")
        accounts.change_account(connection, "ana", time.time(), "test", password=stored)
    page = sit("ana", path="/me")
    page.get_by_label("Old password").first.fill(PASSWORD)
    page.get_by_label("New password").fill(LAST)
    page.get_by_role("button", name="Change the password and sign out").click()
    page.wait_for_url("**/login")
    sign_in(page, stack, "ana", PASSWORD)
    expect(page.get_by_role("alert")).to_have_text("Name, password or code is wrong.")
    sign_in(page, stack, "ana", LAST)
    page.wait_for_url("**/queue")

    page.goto(f"{stack.url}/me")
    steps = page.locator("form[action='/me/totp']")
    device = pyotp.TOTP(steps.locator(".mono").inner_text())
    steps.get_by_label("Old password").fill(LAST)
    steps.get_by_label("Code", exact=True).fill(device.now())
    steps.get_by_role("button").click()
    codes = page.locator(".recovery li").all_inner_texts()
    assert len(codes) == passwords.RECOVERY_CODE_COUNT
    assert (account(stack, "ana").totp_secret, sessions(stack, "ana")) == (device.secret, 0)
    assert violations(page) == []
    page.get_by_role("link", name="I have kept them").click()
    sign_in(page, stack, "ana", LAST)
    expect(page.get_by_role("alert")).to_have_text("Name, password or code is wrong.")
    sign_in(page, stack, "ana", LAST, device.now())
    page.wait_for_url("**/queue")
    page.get_by_role("button", name="ana: menu").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/login")
    assert sessions(stack, "ana") == 0
    sign_in(page, stack, "ana", LAST, codes[0])
    page.wait_for_url("**/queue")
    with stack.database.read() as connection:
        assert passwords.recovery_codes_left(connection, "ana") == len(codes) - 1


def test_a_program_s_token_is_made_used_and_revoked(stack: Stack, sit: Sit) -> None:
    page = sit("ada", path="/accounts/tokens")
    form = page.locator("#new")
    form.get_by_label("Used by").fill("Our app")
    form.get_by_role("button", name="Make token").click()
    expect(page.locator("[aria-invalid=true]")).to_be_focused()  # nothing is allowed yet
    form.get_by_label("reports").check()
    form.get_by_role("button", name="Make token").click()
    token = page.locator(".copied .mono").inner_text()
    row = page.get_by_role("row", name=re.compile("Our app"))
    expect(row).to_contain_text("Never")
    assert violations(page) == []

    bearer = {"authorization": f"Bearer {token}"}
    report = {"room": "room-1", "speaker": "mika", "text": "He insults us"}
    assert httpx.post(f"{stack.url}/api/v1/reports", json=report, headers=bearer).status_code == 201
    appeal = {"case": "0", "speaker": "mika"}
    assert httpx.post(f"{stack.url}/api/v1/appeals", json=appeal, headers=bearer).status_code == 403
    page.goto(f"{stack.url}/accounts/tokens")
    expect(row).not_to_contain_text("Never")
    page.get_by_role("button", name="Revoke the token of Our app").click()
    expect(row).to_contain_text("Revoked")
    assert httpx.post(f"{stack.url}/api/v1/reports", json=report, headers=bearer).status_code == 401
    with stack.database.read() as connection:
        [stored] = api_tokens.all_tokens(connection)
    assert (stored.name, stored.scopes, stored.works(time.time())) == ("Our app", frozenset({"reports"}), False)
