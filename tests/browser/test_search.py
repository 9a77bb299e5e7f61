"""Search and the pages of speakers and rooms in a browser: by keyboard, with sound, on every screen."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import expect

from pipeline.console.addresses import profile_href
from pipeline.messages import Verdict
from pipeline.review.cases.values import Choice
from tests.browser.conftest import Sit, Stack
from tests.browser.test_look import violations


@pytest.mark.parametrize(("theme", "locale"), [("dark", "zh-CN"), ("light", "en")])
def test_the_pages_in_both_themes(stack: Stack, sit: Sit, tmp_path: Path, theme: str, locale: str) -> None:
    folder = Path(os.environ.get("VOXWARDEN_SCREENSHOTS", tmp_path))
    cases = stack.say(24)
    for number, case in enumerate(cases[:12]):
        verdicts: tuple[Verdict, ...] = ("uphold", "dismiss", "escalate")
        stack.store.decide(case, ("ben", "lea")[number % 2], Choice(verdict=verdicts[number % 3]), stack.now())
    page = sit("ada", theme=theme, locale=locale, viewport={"width": 1440, "height": 900})
    for name, path in (
        ("search", "/search?q=返利|dirt+when:7d"),
        ("speaker", profile_href("speakers", "speaker-2")),
        ("room", profile_href("rooms", "room-1")),
        ("error", "/search?q=colour:red"),
    ):
        page.goto(stack.url + path)
        if name == "search":
            page.keyboard.press("j")
            page.wait_for_selector("#preview dl")
        assert violations(page) == [], name
        page.screenshot(path=folder / f"console-{name}-{theme}.png")
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{stack.url}/search?q=返利|dirt")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.screenshot(path=folder / f"console-search-phone-{theme}.png")


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
