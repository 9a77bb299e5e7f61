"""The page of a case in a browser: what the lexicon read, and views of the list beside it."""

import time

import msgspec
import pytest
from playwright.sync_api import expect

from pipeline.contract.messages import Hit
from pipeline.review.search import views
from tests.browser.conftest import Sit, Stack
from tests.browser.test_look import violations
from tests.builders import NOON, sound_flag

SAID = "go and k.i.l.l yourself, nobody will notice"


def disguised(stack: Stack) -> str:
    """Store a case with a spelled-out term, and return its id."""
    spelled = Hit("kill yourself", "violence", "high", 7, 23)
    said = msgspec.structs.replace(stack._flag(1_001), text=SAID, hits=(spelled,), labels={"violence": 0.9})
    return stack.store.add([said], time.time())[0].case


@pytest.mark.parametrize("size", [(1366, 768), (720, 450), (390, 844)])
def test_a_key_shows_what_the_lexicon_read_below_what_was_said(stack: Stack, sit: Sit, size: tuple[int, int]) -> None:
    case = disguised(stack)
    page = sit("ana", path=f"/cases/{case}", viewport={"width": size[0], "height": size[1]})
    read = page.locator("#transcript .normal")
    expect(read).to_be_hidden()
    page.keyboard.press("d")
    expect(read).to_be_visible()
    expect(read.locator("bdi")).to_have_text("go and kill yourself, nobody will notice")
    expect(read.locator(".hit")).to_have_text("kill yourself")
    expect(page.locator("#transcript .turn.this p").first).to_have_text(SAID)
    assert "".join(page.locator("#transcript .w.hit").all_inner_texts()).startswith("k.i.l.l yourself")
    assert violations(page) == []
    page.keyboard.press("d")
    expect(read).to_be_hidden()


def test_a_label_is_found_by_its_characters_and_nothing_says_so(stack: Stack, sit: Sit) -> None:
    stack.say()
    page = sit("ana", locale="zh-CN")
    page.keyboard.press("j")
    page.wait_for_selector("#decide")
    page.keyboard.press("l")
    page.keyboard.type("辱骂")
    expect(page.locator("#picker-label .opt:visible .t")).to_have_text(["谩骂侮辱"])
    page.keyboard.type("zzz")
    expect(page.locator("#picker-label .opt:visible")).to_have_count(0)
    expect(page.locator("#picker-label .means")).to_have_text("没有匹配的选项。")
    page.keyboard.press("Enter")
    assert page.input_value("#decide [name=label]") == ""


def test_a_view_of_the_queue_is_saved_shared_renamed_and_deleted(stack: Stack, sit: Sit) -> None:
    stack.say(6)
    page = sit("ana", path="/queue?label=fraud")
    expect(page.locator("#rows .row")).to_have_count(1)
    page.get_by_role("button", name="Part of the queue").click()
    page.get_by_role("button", name="Save view").click()
    menu = page.locator("#save-view")
    menu.get_by_label("Name").fill("Money")
    menu.get_by_label("Share with the team").check()
    menu.get_by_role("button", name="Save view").click()
    expect(page.locator("#queue-title")).to_have_text("Money")
    theirs = sit("ben")
    expect(theirs.locator("#rows .row")).to_have_count(6)
    theirs.get_by_role("button", name="Part of the queue").click()
    assert violations(theirs) == []
    theirs.get_by_role("link", name="Money").click()
    expect(theirs.locator("#queue-title")).to_have_text("Money")
    expect(theirs.locator("#rows .row")).to_have_count(1)
    page.get_by_role("button", name="Part of the queue").click()
    page.get_by_role("button", name="Change").click()
    own = page.locator("#own-views")
    assert violations(page) == []
    own.get_by_label("Name").fill("Scams")
    own.get_by_label("Share with the team").uncheck()
    own.get_by_role("button", name="Save").click()
    expect(page.locator("#queue-title")).to_have_text("Scams")
    theirs.reload()
    expect(theirs.locator("#queue-title")).to_have_text("All cases")
    page.get_by_role("button", name="Part of the queue").click()
    page.get_by_role("button", name="Change").click()
    own.get_by_role("button", name="Delete Scams").click()
    expect(page.locator("#queue-title")).to_have_text("All cases")
    with stack.database.read() as connection:
        assert views.visible(connection, "ana", "queue") == []


def test_a_banned_recording_is_marked_in_the_player_and_played(stack: Stack, sit: Sit) -> None:
    start = time.time() - 60 - NOON
    heard = sound_flag("song", start, start + 3)
    case = stack.store.add([heard], time.time())[0].case
    stack._attach(heard, case)
    page = sit("ana", path=f"/cases/{case}")
    expect(page.locator(".case-title .chip", has_text="Sound")).to_be_visible()
    expect(page.locator("#transcript .turn.this")).to_contain_text("Banned recording: The anthem")
    expect(page.locator("#rows .row .q")).to_have_text("The anthem")
    assert page.locator(".wave .barh").first.get_attribute("d"), "the span is marked in the wave"
    assert violations(page) == []
    page.get_by_role("button", name="Flagged part").click()
    expect(page.locator("#player")).to_have_attribute("data-state", "playing")
