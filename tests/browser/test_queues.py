"""Leads share out the queue in the page, and notifications tell of due work."""

import re
import time

from playwright.sync_api import Dialog, Page, expect

from pipeline.review.accounts import accounts
from pipeline.review.accounts.accounts import Preferences
from pipeline.review.cases import assigning
from tests.browser.conftest import PATIENCE, Sit, Stack
from tests.browser.test_look import violations

RECORD = """
window.told = [];
window.Notification = class {
  static permission = "granted";
  static requestPermission = async () => "granted";
  constructor(title, options) { window.told.push(options.body); }
};
"""
"""Replaces the browser's notifications by a list. Headless Chromium shows none."""


def until(page: Page, expression: str) -> None:
    """Wait until an expression is true. The content policy forbids Playwright's own way, which evaluates text."""
    for _ in range(PATIENCE // 100):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(100)
    raise AssertionError(expression)


def owners(stack: Stack, cases: list[str]) -> list[str]:
    with stack.database.read() as connection:
        found = assigning.owners(connection, cases)
    return [found.get(case, "") for case in cases]


def test_a_lead_moves_cases_and_takes_it_back(stack: Stack, sit: Sit) -> None:
    cases = stack.say(6)
    page = sit("lea", path="/skills")
    page.click("#people-now [data-do=move]")
    page.select_option("#move [name=account]", "ana")
    page.fill("#move [name=count]", "4")
    page.press("#move [name=count]", "Enter")
    expect(page.locator("#move [role=status]")).to_contain_text("4 cases moved to ana")
    assert owners(stack, cases).count("ana") == 4
    expect(page.locator("#people-now a[href='/queue?assigned=ana']")).to_have_text("4")
    page.click("#move-undo button")
    expect(page.locator("#move [role=status]")).to_contain_text("Undone: 4 cases")
    assert owners(stack, cases).count("ana") == 0
    page.keyboard.press("Escape")
    expect(page.locator("#move")).to_be_hidden()


def test_keys_choose_a_view_and_move_its_cases(stack: Stack, sit: Sit) -> None:
    cases = stack.say(3)
    page = sit("lea", path="/queue?label=fraud")
    page.keyboard.press("M")
    expect(page.locator("#move .chip")).to_contain_text("Fraud")
    page.select_option("#move [name=account]", "lea")
    page.click("#move .primary")
    expect(page.locator("#move [role=status]")).to_contain_text("1 case moved to lea")
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("o")
    page.wait_for_url("**/queue?view=mine")
    assert [row.get_attribute("data-case") for row in page.locator("#rows .row").all()] == [cases[2]]


def test_a_lead_moves_cases_with_the_mouse(stack: Stack, sit: Sit) -> None:
    cases = stack.say(3)
    page = sit("lea", path="/queue?label=fraud")
    page.click(".list-head [data-do=move]")
    page.select_option("#move [name=account]", "ana")
    page.click("#move .primary")
    expect(page.locator(f'#rows .row[data-case="{cases[2]}"] .holder .chip')).to_contain_text("ana")
    page.click("#move-undo button")
    expect(page.locator("#move [role=status]")).to_have_text("Undone: 1 case")
    assert sit("ana").locator(".list-head [data-do=move]").count() == 0


def test_a_note_names_a_colleague(stack: Stack, sit: Sit) -> None:
    [case] = stack.say(1)
    page = sit("ana", path=f"/cases/{case}")
    page.wait_for_selector("#note-text")
    page.keyboard.press("N")
    page.wait_for_selector("#notes [data-people]")
    page.keyboard.type("Look, @le")
    expect(page.locator("#note-people [aria-selected=true]")).to_have_text("lea")
    page.keyboard.press("Enter")
    expect(page.locator("#note-text")).to_have_value("Look, @lea ")
    assert violations(page) == []
    page.click(".write .btn")
    expect(page.locator(".notes li")).to_contain_text("Look, @lea")
    expect(page.locator("#note-text")).to_have_value("")
    inbox = sit("lea", path="/inbox")
    inbox.click("main .item")
    expect(inbox.locator(".notes li")).to_contain_text("Look, @lea")


def test_a_lead_sets_skills(stack: Stack, sit: Sit) -> None:
    page = sit("lea", path="/skills")
    page.click("[popovertarget=skills-2]")
    page.check("#skills-2 [name=languages][value=zh]")
    page.check("#skills-2 [name=escalated]")
    page.click("#skills-2 button.primary")
    expect(page.locator("tr", has=page.locator("#skills-2")).locator(".chip")).to_have_text("Mandarin")


def test_disabling_oneself_asks_first(stack: Stack, sit: Sit) -> None:
    with stack.database.write() as connection:
        accounts.add_account(connection, "eve", "admin", stack.now(), "ada")
    page = sit("eve", path="/accounts?name=eve")
    asked: list[str] = []

    def answer(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.accept() if len(asked) == 2 else dialog.dismiss()

    page.on("dialog", answer)
    disable = page.get_by_role("button", name="Disable")
    disable.click()
    assert ["This is your own account" in words for words in asked] == [True]
    expect(disable).to_be_visible()
    disable.click()
    page.wait_for_url(re.compile("/login"))
    page = sit("ada", path="/accounts?name=ben")
    page.on("dialog", answer)
    page.get_by_role("button", name="Disable").click()
    expect(page.get_by_role("button", name="Enable")).to_be_visible()
    assert len(asked) == 2, "somebody else is disabled without a question"


def test_the_count_and_notifications_of_due_work(stack: Stack, sit: Sit) -> None:
    cases = stack.say(3)
    with stack.database.write() as connection:
        accounts.store_preferences(connection, "ana", Preferences(notify=True))
    page = sit("ana", path="/me")
    page.context.add_init_script(RECORD)
    page.reload()
    until(page, "localStorage.getItem('voxwarden.notices') !== null")
    assert page.evaluate("told") == []
    with stack.database.write() as connection:
        assigning.move(connection, cases[:2], "ana", "lea", "workload", time.time(), 3_600.0)
    page.evaluate("document.body.dispatchEvent(new Event('due'))")
    until(page, "told.length === 1")
    assert page.evaluate("told") == ["Assigned to you: 2"]
    expect(page.locator("#inbox .count")).to_have_text("2")
    page.click("#inbox")
    expect(page.locator("main")).to_contain_text("Assigned to you")


def test_the_browser_asks_only_after_a_click(stack: Stack, sit: Sit) -> None:
    page = sit("ana", path="/me")
    page.context.add_init_script(RECORD)
    page.reload()
    page.click("#notifications button")
    expect(page.locator("#inbox")).to_have_attribute("data-notify", "yes")
    page.click("#notifications button")
    expect(page.locator("#inbox")).to_have_attribute("data-notify", "no")
