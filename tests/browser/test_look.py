"""All pages: axe in both languages and themes, small screens, isolated names. Pictures of them for people to look at.

To write the pictures, run: VOXWARDEN_SCREENSHOTS=FOLDER pytest tests/browser/test_look.py. The documentation has a few.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from fastapi.routing import APIRoute
from playwright.sync_api import Browser, Page, ViewportSize, expect

from pipeline.console.console_app import ROUTERS
from tests.browser.conftest import Sit, Stack, running, seats
from tests.browser.pages import PARTS, PLACES, Place, fill, go

SIZE: ViewportSize = {"width": 1440, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}
Theme = Literal["light", "dark"]
OTHER: dict[Theme, Theme] = {"light": "dark", "dark": "light"}
DOCUMENTED = (("dark", "zh-CN"), ("light", "en"))
"""The pictures of these are in the documentation, without the language in their names."""
REVERSED = "\u202elive"
"""A reader sees "evil"."""
NO_NAMES = frozenset({"sign-in", "wellness", "api", "indicator", "register-new", "not-found"})
"""Places that show no name and no text of people."""

RUN_AXE = """
(options) => axe.run(options).then((found) =>
  found.violations.map((one) => `${one.id}: ${one.nodes[0].html.slice(0, 160)}`))
"""
"""Returns only the violations, because the whole result of axe has a megabyte."""


LOOSE = """
(mark) => {
  const found = [], texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let whole = 0;
  for (let node = texts.nextNode(); node; node = texts.nextNode()) {
    if (!node.data.includes(mark) || node.parentElement.closest("script")) continue;
    if (node.parentElement.closest("main, dialog")) whole += 1;
    // an option and a text field are paragraphs of their own
    if (!node.parentElement.closest("bdi, [dir=auto], option, textarea"))
      found.push(node.parentElement.outerHTML.slice(0, 160));
  }
  return [whole, found];
}
"""
"""Counts the texts of the page with a mark, and returns the elements in which such a text is not isolated."""

CUT = """
() => [...document.querySelectorAll(".transport .btn, .v-btn, .v-btn .clip")].filter((one) =>
  one.scrollWidth > one.clientWidth + 1
  || one.getBoundingClientRect().right > one.closest("section, form").getBoundingClientRect().right
).map((one) => one.textContent.trim())
"""
"""Returns the buttons of a case that are cut off, or whose text is."""


@cache
def axe() -> str:
    script: str = Axe().axe_script
    return script


def violations(page: Page, *rules: str) -> list[str]:
    """Return all violations that axe finds for WCAG 2.0 to 2.2, A and AA, and best practice; or only for `rules`."""
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    if page.evaluate("window.axe === undefined"):
        page.evaluate(axe())
    only: Any = {"type": "rule", "values": rules} if rules else tags
    found: list[str] = page.evaluate(RUN_AXE, {"runOnly": only, "resultTypes": ["violations"]})
    return found


def in_both_themes(page: Page, theme: Theme = "light") -> list[str]:
    """Return the violations of a page with this theme, and the rules about colour that it violates in the other."""
    found = violations(page)
    page.emulate_media(color_scheme=OTHER[theme])
    found += violations(page, "color-contrast", "link-in-text-block")
    page.emulate_media(color_scheme=theme)
    return found


def picture(page: Page, folder: Path, name: str, locale: str) -> None:
    for theme in ("dark", "light"):
        page.emulate_media(color_scheme=theme)
        end = theme if (theme, locale) in DOCUMENTED else f"{theme}-{locale}"
        page.screenshot(path=folder / f"console-{name}-{end}.png")


class Visit:
    """A console with something on each page, and an open page for each reader and language."""

    def __init__(self, stack: Stack, sit: Sit) -> None:
        self._stack, self._sit = stack, sit
        self._values = fill(stack)
        self._pages: dict[tuple[str, str], Page] = {}

    def to(self, place: Place, locale: str) -> Page:
        """Return the reader's page at the place."""
        if (place.reader, locale) not in self._pages:
            name = place.reader + (self._stack.mark if place.reader == "noor" else "")
            options = {"viewport": SIZE, "reduced_motion": "reduce"}
            self._pages[place.reader, locale] = self._sit(name, path="/login", locale=locale, **options)
        page = self._pages[place.reader, locale]
        go(page, self._stack, place, self._values)
        return page


@contextmanager
def visiting(folder: Path, browser: Browser, mark: str = "") -> Iterator[Visit]:
    with running(folder, mark) as stack, seats(stack, browser) as sit:
        yield Visit(stack, sit)


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Visit]:
    with visiting(tmp_path_factory.mktemp("filled"), browser) as visit:
        yield visit


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Visit]:
    """A visit of a console in which each name and text of people reverses the direction of writing."""
    with visiting(tmp_path_factory.mktemp("marked"), browser, REVERSED) as visit:
        yield visit


def each(*places: Place) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("place", places, ids=lambda place: place.name)


def test_the_list_has_every_page() -> None:
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    pages = frozenset(place.endpoint for place in PLACES if place.endpoint)
    assert pages | PARTS == {route.name for route in routes if "GET" in (route.methods or ())} | {"health", "ready"}
    assert not pages & PARTS


@each(*PLACES)
@pytest.mark.parametrize("locale", ["en", "zh-CN"])
def test_axe_finds_nothing_and_a_phone_fits(visit: Visit, place: Place, locale: str) -> None:
    page = visit.to(place, locale)
    wrong = in_both_themes(page)
    if folder := os.environ.get("VOXWARDEN_SCREENSHOTS"):
        picture(page, Path(folder), place.name, locale)
    page.set_viewport_size(PHONE)
    wide, high = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
    page.set_viewport_size({"width": PHONE["width"], "height": 2 * high})  # the bars must not cover a part of a field
    wrong += violations(page)
    page.set_viewport_size(SIZE)
    assert wrong == []
    assert wide <= PHONE["width"]


@each(*PLACES)
def test_names_and_texts_of_people_are_isolated(marked: Visit, place: Place) -> None:
    """A character that reverses the direction of writing does not reach the texts around it."""
    count, loose = marked.to(place, "en").evaluate(LOOSE, REVERSED[0])
    assert loose == []
    assert (count == 0) == (place.name in NO_NAMES)


CASE = Place(name="case", endpoint="", path="/queue", keys=("j",), ready="#decide")
QUEUE = Place(name="queue", endpoint="", path="/queue?label=fraud", ready=".row")
SEARCH = Place(name="search", endpoint="", path="/search?q=dirt", ready="#results li")
SPEAKER = Place(name="speaker", endpoint="", path="{speaker}")
SKILLS = Place(name="skills", endpoint="", path="/skills", ready="#people-now table")
EVERYWHERE = Place(name="page", endpoint="", path="/audit")
MENUS: tuple[tuple[Place, tuple[str, ...], str], ...] = (
    # a place, what opens the menu there (a selector to click, or a key), and the menu
    (EVERYWHERE, ("[popovertarget=me-menu]",), "#me-menu"),
    (EVERYWHERE, ("Control+k", "d"), "#palette-list [role=option]"),
    (EVERYWHERE, ("?",), "#help"),
    (QUEUE, ("[popovertarget=filters]",), "#filters"),
    (QUEUE, ("[popovertarget=views]",), "#views"),
    (QUEUE, ("[popovertarget=views]", "[popovertarget=save-view]"), "#save-view"),
    (QUEUE, ("[popovertarget=views]", "[popovertarget=own-views]"), "#own-views"),
    (QUEUE, ("M",), "#move .primary"),
    (SPEAKER, ("[popovertarget=hold]",), "#hold"),
    (SKILLS, ("[popovertarget=skills-2]",), "#skills-2"),
    (CASE, ("l",), "#picker-label"),
    (CASE, ("r",), "#picker-reason"),
    (CASE, ("n",), "#picker-note"),
    (CASE, ("x",), "#like-title"),
)
ONLY_WIDE = (
    (EVERYWHERE, ("[popovertarget=admin-menu]",), "#admin-menu"),
    (SEARCH, ("[popovertarget=own-views]",), "#own-views"),
    (CASE, ("A",), "#move .primary"),
)
ONLY_PHONE = ((EVERYWHERE, ("[popovertarget=more-menu]",), "#more-menu"),)


@pytest.mark.parametrize(
    ("size", "menu"),
    [(SIZE, menu) for menu in MENUS + ONLY_WIDE] + [(PHONE, menu) for menu in MENUS + ONLY_PHONE],
    ids=lambda value: value["width"] if isinstance(value, dict) else f"{value[0].name}-{value[2].split()[0]}",
)
def test_axe_finds_nothing_in_an_open_menu(
    visit: Visit, size: ViewportSize, menu: tuple[Place, tuple[str, ...], str]
) -> None:
    place, steps, shown = menu
    page = visit.to(place, "en")
    page.set_viewport_size(size)
    for step in steps:
        page.click(step) if step.startswith("[") else page.keyboard.press(step)
    page.wait_for_selector(shown)
    wrong = in_both_themes(page)
    wide = page.evaluate("document.documentElement.scrollWidth")
    page.set_viewport_size(SIZE)
    assert wrong == []
    assert wide <= size["width"]


def test_axe_finds_nothing_while_a_case_is_decided(stack: Stack, sit: Sit) -> None:
    stack.say(6)
    page = sit("ada", reduced_motion="reduce")
    page.keyboard.press("j")
    page.wait_for_selector("#decide")
    page.keyboard.press("1")
    page.wait_for_selector("#undo .did")
    page.wait_for_selector("#decide")
    assert in_both_themes(page) == []
    page.keyboard.press("?")
    page.wait_for_selector("dialog[open]")
    assert in_both_themes(page) == []


@pytest.mark.parametrize("width", [1000, 1280])
@pytest.mark.parametrize("locale", ["en", "zh-CN"])
def test_the_buttons_of_a_case_fit_a_laptop(stack: Stack, sit: Sit, locale: str, width: int) -> None:
    stack.say(1)
    page = sit("ada", locale=locale, viewport={"width": width, "height": 800})
    page.keyboard.press("j")
    page.wait_for_selector("#decide")
    expect(page.locator(".transport .btn")).not_to_have_count(0)
    assert page.evaluate(CUT) == []


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
