"""Makes screenshots of the pages, for the documentation.

To write them into the documentation, run: VOXWARDEN_SCREENSHOTS=docs/images pytest tests/browser/test_screenshots.py
"""

import os
from pathlib import Path

import pytest

from pipeline.review.appeals import appeals
from pipeline.review.cases import deciding
from pipeline.review.cases.values import Choice
from tests.browser.conftest import Sit, Stack

SIZE = {"width": 1440, "height": 900}


@pytest.mark.parametrize(("theme", "locale"), [("dark", "zh-CN"), ("light", "en")])
def test_screenshots(stack: Stack, sit: Sit, tmp_path: Path, theme: str, locale: str) -> None:
    folder = Path(os.environ.get("VOXWARDEN_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    cases = stack.say(24)
    for number, case in enumerate(cases[:10]):
        with stack.database.write() as connection:
            choice = Choice(
                verdict=("uphold", "dismiss")[number % 2], reason="confirmed" if number % 2 == 0 else "quote"
            )
            deciding.decide(connection, case, ("ben", "lea")[number % 2], choice, stack.now())
    words = "那是游戏里的台词,不是真的。" if locale == "zh-CN" else "That was a line of the game, not meant."
    with stack.database.write() as connection:
        speaker = stack.store.case(cases[0]).case.speaker
        appeal, _ = appeals.lodge(connection, cases[0], speaker, words, stack.now() + 60, undo_seconds=10)
    page = sit("ada", theme=theme, locale=locale, viewport=SIZE)
    page.screenshot(path=folder / f"console-queue-{theme}.png")
    page.keyboard.press("j")
    page.wait_for_selector("#decide")
    page.screenshot(path=folder / f"console-case-{theme}.png")
    for name, path in (
        ("team", "team"),
        ("quality", "quality?period=day"),
        ("appeal", f"appeals/{appeal.id}"),
        ("wellness", "wellness"),
    ):
        page.goto(f"{stack.url}/{path}")
        page.wait_for_selector("main :is(h1, h2)")
        page.screenshot(path=folder / f"console-{name}-{theme}.png")
    phone = sit("ben", theme=theme, locale=locale, viewport={"width": 390, "height": 844})
    phone.keyboard.press("j")
    phone.wait_for_selector("#decide")
    phone.screenshot(path=folder / f"console-phone-{theme}.png", full_page=True)
    assert len(list(folder.glob(f"console-*-{theme}.png"))) == 7
