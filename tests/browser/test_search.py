"""Search and the pages of speakers and rooms in a browser: by keyboard, with sound."""

from playwright.sync_api import expect

from pipeline.console.rendering import profile_href
from tests.browser.conftest import Sit, Stack


def test_search_by_keyboard(stack: Stack, sit: Sit) -> None:
    stack.say(6)
    page = sit("ana", path="/queue")
    page.keyboard.press("g")
    page.keyboard.press("s")
    page.wait_for_url("**/search")
    page.keyboard.press("/")
    page.keyboard.type("dirt|nudes")
    page.keyboard.press("Enter")
    expect(page.locator("#results .result")).to_have_count(2)
    page.locator("#search-more").press("Escape")
    second = page.locator("#results .result").nth(1)
    case = second.get_attribute("data-case")
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(second).to_have_attribute("aria-current", "true")
    expect(page.locator(f"#preview [data-claim='{case}']")).to_be_visible()
    assert "V" in (page.get_attribute("#preview .wave .barh", "d") or ""), "the flagged part of the wave"
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/cases/{case}")
    page.wait_for_selector(f'.case[data-case="{case}"][data-lease]')
    page.goto(f"{stack.url}/search?q=dirt|nudes")
    newest = page.locator("#results .result").nth(0).get_attribute("data-case")
    page.get_by_role("link", name="Oldest").click()
    expect(page.locator("#results .result").nth(1)).to_have_attribute("data-case", newest or "")
    page.goto(f"{stack.url}/search?q=dirt+nudes")
    page.keyboard.press("/")
    page.keyboard.press("Backspace")
    page.wait_for_url("**/search?q=said%3Adirt")


def test_a_clip_plays_where_its_button_stands(stack: Stack, sit: Sit) -> None:
    stack.say(3)
    page = sit("ana", path="/search?q=dirt|nudes|返利")
    first, second = page.locator("#results [data-play]").nth(0), page.locator("#results [data-play]").nth(1)
    first.click()
    expect(first).to_have_attribute("aria-pressed", "true")
    second.click()
    expect(second).to_have_attribute("aria-pressed", "true")
    expect(first).to_have_attribute("aria-pressed", "false")
    page.goto(stack.url + profile_href("rooms", "room-1"))
    block = page.locator(".utt").first
    block.focus()
    page.keyboard.press("Enter")
    expect(block).to_have_attribute("aria-pressed", "true")
    expect(block).to_have_attribute("aria-pressed", "false")
