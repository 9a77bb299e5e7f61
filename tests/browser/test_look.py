"""Languages, themes, small screens, and the accessibility check of each page with axe."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import Sit, Stack

PAGES = (
    "/queue",
    "/search",
    "/me",
    "/audit",
    "/docs",
    "/inbox",
    "/skills",
    "/team",
    "/quality",
    "/quality/golden",
    "/quality/adjudication",
    "/quality/feedback",
    "/appeals",
    "/wellness",
    "/keeping",
    "/policies",
    "/accounts",
    "/accounts/tokens",
)


RUN_AXE = """
(options) => axe.run(options).then((found) =>
  found.violations.map((one) => `${one.id}: ${one.nodes[0].html.slice(0, 160)}`))
"""
"""Returns only the violations, because the whole result of axe has a megabyte."""


def violations(page: Page) -> list[str]:
    """Return all violations of any severity that axe finds for WCAG 2.0 to 2.2, A and AA, and best practice."""
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    page.evaluate(Axe().axe_script)
    found: list[str] = page.evaluate(RUN_AXE, {"runOnly": tags, "resultTypes": ["violations"]})
    return found


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("locale", ["en", "zh-CN"])
def test_axe_finds_no_violations(stack: Stack, sit: Sit, theme: str, locale: str) -> None:
    stack.say(6)
    page = sit("ada", theme=theme, locale=locale)
    page.keyboard.press("j")
    page.wait_for_selector("#decide")
    assert violations(page) == []
    page.keyboard.press("1")
    page.wait_for_selector("#undo .did")
    page.wait_for_selector("#decide")
    page.keyboard.press("?")
    page.wait_for_selector("dialog[open]")
    assert violations(page) == []
    for path in PAGES[1:]:
        page.goto(stack.url + path)
        assert violations(page) == [], path


@pytest.mark.parametrize(("locale", "lang", "verdict"), [("en-GB", "en", "Violation"), ("zh-CN", "zh-CN", "违规")])
def test_the_console_uses_the_browser_s_language(stack: Stack, sit: Sit, locale: str, lang: str, verdict: str) -> None:
    stack.say(1)
    page = sit("ana", locale=locale)
    assert page.get_attribute("html", "lang") == lang
    page.keyboard.press("j")
    expect(page.locator('[data-do="uphold"]')).to_contain_text(verdict)


def test_a_person_can_set_language_and_theme(stack: Stack, sit: Sit) -> None:
    page = sit("ana", path="/me")
    page.select_option("select[name=language]", "zh")
    page.select_option("select[name=theme]", "dark")
    page.locator("main form[action='/me/preferences'] button").press("Enter")
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (390, 844), (640, 360)])
def test_no_horizontal_scrolling(stack: Stack, sit: Sit, width: int, height: int) -> None:
    """No page is wider than the screen. 640 x 360 is 1280 x 720 at 200 % zoom."""
    stack.say(3)
    page = sit("ana", viewport={"width": width, "height": height})
    page.keyboard.press("j")
    page.wait_for_selector("#decide")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
