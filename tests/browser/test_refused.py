"""Refused forms: the reason stands beside the field, which has the focus, and nothing else must be typed again."""

import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from pipeline.review.accounts import accounts, passwords
from tests.browser.conftest import Sit, Stack
from tests.browser.test_look import violations
from tests.pipeline.review.people import PASSWORD

WEAK = "password1234"
pytestmark = pytest.mark.usefixtures("cheap_hashes")


def invited(stack: Stack, page: Page) -> None:
    with stack.database.write() as connection:
        token = accounts.invite(connection, "ben", time.time(), "ada")
    page.goto(f"{stack.url}/invitation/{token}")
    page.fill("[name=password]", WEAK)
    page.click(".btn.primary")


def duplicate(stack: Stack, page: Page) -> None:
    page.goto(f"{stack.url}/accounts")
    page.fill("#invite [name=name]", "ben")
    page.click("#invite .btn.primary")


def code(stack: Stack, page: Page) -> None:
    with stack.database.write() as connection:
        accounts.change_account(
            connection, "ada", time.time(), "test", password=passwords.hash_new_password(PASSWORD, "ada")
        )
    page.context.add_cookies([{"name": "voxwarden_session", "value": stack.cookie("ada"), "url": stack.url}])
    page.goto(f"{stack.url}/me")
    page.fill("[name=password]", PASSWORD)
    page.fill("[name=code]", "000000")
    page.click("[action='/me/totp'] .btn")


def hold(stack: Stack, page: Page) -> None:
    page.goto(f"{stack.url}/keeping")
    page.fill("[name=subject]", "mika")
    page.fill("[name=reason]", " ")
    page.click("[action='/keeping/holds'] .btn")
    expect(page.locator("[name=subject]")).to_have_value("mika")


def view(stack: Stack, page: Page) -> None:
    page.goto(f"{stack.url}/queue?label=fraud")
    page.click("[popovertarget=views]")
    page.click("[popovertarget=save-view]")
    page.check("#save-view [name=shared]")
    page.fill("#save-view [name=name]", " ")
    page.click("#save-view .btn")
    expect(page.locator("[aria-invalid=true]")).to_be_visible()
    expect(page.locator("#save-view [name=shared]")).to_be_checked()


def lexicon(stack: Stack, page: Page) -> None:
    page.goto(f"{stack.url}/policies")
    page.fill("main [name=title]", "Insults")
    page.click("main .page-head .btn")
    page.goto(f"{stack.url}/policies/drafts/1?view=zh")
    page.click("details:has([action$='/lexicons']) summary")
    page.fill("[action$='/lexicons'] [name=name]", "en")
    page.click("[action$='/lexicons'] .btn")
    expect(page.locator("[action$='/lexicons'] [name=name]")).to_have_value("en")


def assessment(stack: Stack, page: Page) -> None:
    page.goto(f"{stack.url}/assessment/reports")
    page.fill("[name=title]", "Harbour")
    page.fill("[name=since]", "2026-01-02")
    page.click("form:has([name=title]) .btn")
    expect(page.locator("[aria-invalid=true]")).to_be_visible()
    expect(page.locator("[name=title]")).to_have_value("Harbour")
    expect(page.locator("[name=since]")).to_have_value("2026-01-02")


@pytest.mark.parametrize("locale", ["en", "zh-CN"])
@pytest.mark.parametrize(
    ("who", "act", "field"),
    [
        ("", invited, "password"),
        ("ada", duplicate, "name"),
        ("ada", code, "code"),
        ("ada", hold, "reason"),
        ("ada", view, "name"),
        ("ada", lexicon, "name"),
        ("ada", assessment, "until"),
    ],
)
def test_the_faulty_field_has_the_focus_and_its_reason(
    stack: Stack, sit: Sit, who: str, act: Callable[[Stack, Page], None], field: str, locale: str
) -> None:
    page = sit(who, path="/login" if not who else "/inbox", locale=locale)
    act(stack, page)
    faulty = page.locator("[aria-invalid=true]")
    expect(faulty).to_be_focused()
    expect(faulty).to_have_attribute("name", field)
    described = faulty.get_attribute("aria-describedby") or ""
    words = page.locator(f"#{described}").inner_text()
    assert words
    assert words.isascii() == (locale == "en")
    page.set_viewport_size({"width": 1280, "height": 2400})  # the top bar must not cover a part of a field
    assert violations(page) == []
