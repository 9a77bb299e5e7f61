"""The command palette, own keys, and times of the browser's zone."""

import re

import pytest
from playwright.sync_api import Page, expect

from pipeline.review.search import views
from tests.browser.conftest import Sit, Stack
from tests.browser.test_look import violations
from tests.builders import NOON


def choose(page: Page, typed: str) -> None:
    page.keyboard.press("Control+k")
    page.fill("#palette-input", typed)


def test_the_palette_does_the_actions_of_the_page_and_goes_to_places(stack: Stack, sit: Sit) -> None:
    stack.say(1)
    page = sit("ada")
    page.keyboard.press("j")
    page.wait_for_selector("#decide")
    choose(page, "violation")
    options = page.locator("#palette-list [role=option]")
    expect(options).to_have_text(["Violation1", "No violation2", re.compile("speaker"), re.compile("Search speech")])
    expect(options.nth(0)).to_have_attribute("aria-selected", "true")
    assert page.get_attribute("#palette-input", "aria-activedescendant") == options.nth(0).get_attribute("id")
    assert violations(page) == []
    page.keyboard.press("ArrowDown")
    expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Escape")
    expect(page.locator("#palette")).not_to_be_visible()
    choose(page, "retention")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/keeping$"))


@pytest.mark.parametrize("typed", ["#{id}", "#{shown}", "{shown}", "#{SHOWN}"])
def test_the_palette_opens_a_case_by_its_id(stack: Stack, sit: Sit, typed: str) -> None:
    [case] = stack.say(1)
    page = sit("ada", path="/me")
    page.click(".find")
    page.fill("#palette-input", typed.format(id=case, shown=case[:8], SHOWN=case[:8].upper()))
    page.keyboard.press("Enter")
    expect(page.locator("#pane .case")).to_have_attribute("data-case", case)
    expect(page).to_have_url(re.compile(f"/cases/{case}$"))


def test_plain_words_find_a_view_a_setting_a_speaker_and_the_way_out(stack: Stack, sit: Sit) -> None:
    stack.say(1)
    with stack.database.write() as connection:
        views.save_view(connection, "ada", "Fraud of the week", "queue", "label=fraud", False, NOON)
    page = sit("ada", path="/me")
    options = page.locator("#palette-list [role=option]")
    choose(page, "fraud of")
    expect(options.nth(0)).to_have_text("View: \u2068Fraud of the week\u2069")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/queue[?]label=fraud$"))
    choose(page, "speaker-0")
    page.keyboard.press("Enter")
    expect(page.locator("#results .link")).to_have_count(1)
    choose(page, "dark")
    page.keyboard.press("Enter")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    choose(page, "sign out")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/login$"))


def test_a_key_that_a_person_chose_works_at_once(stack: Stack, sit: Sit) -> None:
    stack.say(1)
    page = sit("ana", path="/me")
    field = page.locator('input[name="key"]').nth(0)
    field.press("F7")
    expect(field).to_have_value("F7")
    page.get_by_role("button", name="Save").nth(1).click()
    page.wait_for_url("**/me#keys-title")
    page.goto(stack.url + "/queue")
    page.wait_for_selector("body[data-live=on]")
    page.keyboard.press("j")
    page.keyboard.press("F7")
    expect(page.locator("#decide")).to_be_visible()


@pytest.mark.parametrize(("zone", "hours"), [("Asia/Shanghai", 8), ("America/New_York", -5), ("UTC", 0)])
def test_times_are_in_the_zone_of_the_browser(stack: Stack, sit: Sit, zone: str, hours: int) -> None:
    stack.say(1)
    page = sit("ada", path="/audit", timezone_id=zone)
    page.reload()  # the first page told the server the zone
    shown = page.locator("main time").first
    universal = shown.get_attribute("datetime") or ""
    assert shown.get_attribute("title") == universal.replace("T", " ").replace("Z", " UTC")
    assert f"{(int(universal[11:13]) + hours) % 24:02}:{universal[14:16]}" in shown.inner_text()


def test_a_name_in_a_text_of_a_script_is_isolated(sit: Sit) -> None:
    page = sit("ada", path="/me")
    choose(page, "@\u202elive")
    options = page.locator("#palette-list [role=option]")
    expect(options.first).to_have_text("Cases of the speaker \u2068\u202elive\u2069")
