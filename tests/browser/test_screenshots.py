"""Pictures of the pages, for the documentation and for a look.

VOXWARDEN_SCREENSHOTS=docs/images pytest tests/browser/test_screenshots.py
"""

import os
from pathlib import Path

import pytest

from pipeline.review import deciding
from pipeline.review.cases import Choice
from tests.browser.conftest import Sit, Stack

SIZE = {"width": 1440, "height": 900}


@pytest.mark.parametrize(("theme", "locale"), [("dark", "zh-CN"), ("light", "en")])
def test_pictures(stack: Stack, sit: Sit, tmp_path: Path, theme: str, locale: str) -> None:
    folder = Path(os.environ.get("VOXWARDEN_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    cases = stack.say(24)
    for number, case in enumerate(cases[:10]):
        with stack.database.write() as connection:
            choice = Choice(
                verdict=("uphold", "dismiss")[number % 2], reason="confirmed" if number % 2 == 0 else "quote"
            )
            deciding.decide(connection, case, ("ben", "lea")[number % 2], choice, stack.now())
    page = sit("ada", theme=theme, locale=locale, viewport=SIZE)
    page.screenshot(path=folder / f"console-queue-{theme}.png")
    page.keyboard.press("j")
    page.wait_for_selector("#decide")
    page.screenshot(path=folder / f"console-case-{theme}.png")
    for name in ("leads", "appeals", "wellness", "audit"):
        page.goto(f"{stack.url}/{name}")
        page.wait_for_selector("main h1")
        page.screenshot(path=folder / f"console-{name}-{theme}.png")
    phone = sit("ben", theme=theme, locale=locale, viewport={"width": 390, "height": 844})
    phone.keyboard.press("j")
    phone.wait_for_selector("#decide")
    phone.screenshot(path=folder / f"console-phone-{theme}.png", full_page=True)
    assert len(list(folder.glob(f"console-*-{theme}.png"))) == 7
