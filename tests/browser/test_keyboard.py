"""The console by keyboard only."""

import re
import time
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Browser, Dialog, Page, expect

from pipeline.review.accounts import wellness
from pipeline.review.cases import appeals, case_queue, deciding
from pipeline.review.cases.case_values import Choice, Filters
from tests.browser.conftest import SAID, Sit, Stack, running, seats


def opened(page: Page) -> str:
    """Wait for a case with a form for a decision, and return its id."""
    case = page.get_attribute(".case[data-lease]:has(#decide)", "data-case")
    assert case is not None
    return case


def test_j_continues_on_the_next_pages_of_a_long_queue(stack: Stack, sit: Sit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(case_queue, "PAGE", 15)
    flags = [stack._flag(number) for number in range(4 * case_queue.PAGE)]
    stack.store.add(flags, time.time())
    with stack.database.read() as connection:
        ordered = [case.id for case in case_queue.list_queue(connection, limit=len(flags))]
    page = sit("ana")
    for number in range(2 * case_queue.PAGE + 5):
        page.keyboard.press("j")
        page.wait_for_selector(f'.case[data-case="{ordered[number]}"][data-lease]')
    shown = [row.get_attribute("data-case") for row in page.locator("#rows .row").all()]
    assert shown == ordered[: len(shown)]


def position(page: Page) -> float:
    return float(page.inner_text("#position").split(" ")[0].replace("−", "-"))


@pytest.mark.scenario
def test_the_player_obeys_its_keys(stack: Stack, sit: Sit) -> None:
    stack.say(1)
    page = sit("ana")
    page.keyboard.press("j")
    opened(page)
    player = page.locator("#player")
    expect(player).to_have_attribute("data-state", "paused")
    page.keyboard.press("h")
    expect(player).to_have_attribute("data-state", "playing")
    expect(player).to_have_attribute("data-state", "paused", timeout=60_000)
    # The flag lasts 3 s, and the position counts from its start.
    assert abs(position(page) - 3) < 0.06, "it stops at the end of the flagged part"
    page.keyboard.press("ArrowLeft")
    assert abs(position(page) - 1) < 0.11
    page.keyboard.press("]")
    expect(page.locator("#speed")).to_have_text("1.25×")
    page.keyboard.press("v")
    expect(page.locator('[data-do="soften"]')).to_have_attribute("aria-pressed", "true")
    page.keyboard.press(" ")
    expect(player).to_have_attribute("data-state", "playing")
    page.keyboard.press(" ")
    expect(player).to_have_attribute("data-state", "paused")


@pytest.mark.scenario
def test_two_moderators_see_each_other_s_actions(stack: Stack, sit: Sit) -> None:
    first, second = stack.say(2)
    ana, ben = sit("ana"), sit("ben")
    ana.keyboard.press("j")
    taken = opened(ana)
    expect(ben.locator(f'.row[data-case="{taken}"] .holder > bdi')).to_have_text("ana")
    ben.keyboard.press("j")
    other = opened(ben)
    assert {taken, other} == {first, second}
    ana.keyboard.press("2")
    expect(ben.locator(f'.row[data-case="{taken}"]')).to_have_attribute("data-done", "dismiss")


@pytest.mark.scenario
def test_deciding_more_than_twenty_similar_cases_needs_a_confirmation(stack: Stack, sit: Sit) -> None:
    flags = [msgspec.structs.replace(stack._flag(len(SAID) * number), speaker="ann") for number in range(21)]
    cases = [outcome.case for outcome in stack.store.add(flags, time.time())]
    page, asked = sit("ana"), []
    page.keyboard.press("j")
    opened(page)
    page.keyboard.press("x")

    def answer(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.accept() if len(asked) == 2 else dialog.dismiss()

    page.on("dialog", answer)
    page.wait_for_selector("#like-title")
    page.keyboard.press("2")
    assert stack.store.cases(Filters(status="decided")) == []
    page.keyboard.press("2")
    page.wait_for_selector(f'.row[data-case="{cases[0]}"][data-done="dismiss"]')
    assert asked == ["No violation all 21"] * 2
    assert {case.id for case in stack.store.cases(Filters(status="decided"))} == set(cases)


@pytest.mark.scenario
def test_u_takes_back_one_decision_after_the_other(browser: Browser, tmp_path: Path) -> None:
    # A busy machine takes longer than the usual time for an undo.
    with running(tmp_path, undo_seconds=60.0) as stack, seats(stack, browser) as sit:
        cases = stack.say(3)
        _take_back(sit("ana"))
        assert {case.id for case in stack.store.cases(Filters(status="pending"))} == set(cases)


def _take_back(page: Page) -> None:
    page.keyboard.press("j")
    decided: list[str] = []
    for _ in range(2):
        page.wait_for_selector(f'.case[data-lease]:not([data-case="{decided[-1] if decided else ""}"]) #decide')
        decided.append(opened(page))
        page.keyboard.press("2")
        page.wait_for_selector(f'.row[data-case="{decided[-1]}"][data-done]')
    for case in reversed(decided):
        page.locator("#undo [data-do=undo]").wait_for()
        page.keyboard.press("u")
        page.wait_for_selector(f'.case[data-case="{case}"][data-lease]')


@pytest.mark.scenario
def test_j_takes_no_case_during_a_break(stack: Stack, sit: Sit) -> None:
    first, second = stack.say(2)
    page = sit("ana")
    with stack.database.write() as connection:  # in another tab: this page does not know of it
        wellness.start_break(connection, "ana", time.time())
    page.keyboard.press("j")
    expect(page.locator("#place")).to_have_text("On a break. End it to take a case.")
    expect(page.locator("#break-banner")).to_contain_text("End the break")
    expect(page.locator("#pane .case")).to_have_count(0)
    page.click(f'.row[data-case="{second}"]')
    page.wait_for_selector(f'.case[data-case="{second}"][data-lease]')
    page.keyboard.press("k")
    page.wait_for_selector(f'.case[data-case="{first}"][data-lease]')


@pytest.mark.scenario
def test_a_lead_corrects_a_decision_by_keyboard(stack: Stack, sit: Sit) -> None:
    [case] = stack.say(1)
    stack.store.decide(case, "ana", Choice(verdict="uphold"), time.time() - 60)
    page = sit("lea", f"/cases/{case}", viewport={"width": 1366, "height": 768})
    expect(page.get_by_role("button", name="Correct the decision")).to_be_in_viewport()
    page.keyboard.press("c")
    expect(page.locator('#correct details[open] select[name="label"]')).to_be_focused()
    expect(page.get_by_role("button", name="Change to no violation")).to_be_in_viewport()
    page.select_option("#correct-reason", "joke")
    page.get_by_role("button", name="Change to no violation").click()
    expect(page.locator(".case .facts .ver")).to_have_text("No violation")
    assert stack.store.case(case).case.verdict == "dismiss"
    reader = sit("ben", f"/cases/{case}")
    expect(reader.locator(".decide.idle")).to_be_visible()
    expect(reader.locator("[data-do=correct]")).to_have_count(0)


@pytest.mark.scenario
def test_a_settled_appeal_shows_how_long_it_can_be_undone(stack: Stack, sit: Sit) -> None:
    [case] = stack.say(1)
    now, upheld = time.time(), Choice(verdict="uphold")
    with stack.database.write() as connection:
        deciding.decide(connection, case, "ana", upheld, now - 60)
        appeal, _ = appeals.lodge(connection, case, stack.store.case(case).case.speaker, "", now, 10.0)
    page = sit("ben", f"/appeals/{appeal.id}")
    page.keyboard.press("1")
    page.wait_for_url("**/appeals")
    expect(page.locator("main > .did .left")).to_have_text(re.compile("^[0-9]+ s$"))
    expect(page.locator("main > .did")).to_have_count(0)


@pytest.mark.scenario
def test_an_appeal_that_another_person_settled_shows_a_conflict(stack: Stack, sit: Sit) -> None:
    [case] = stack.say(1)
    now, upheld = time.time(), Choice(verdict="uphold")
    with stack.database.write() as connection:
        deciding.decide(connection, case, "ana", upheld, now - 60)
        appeal, _ = appeals.lodge(connection, case, stack.store.case(case).case.speaker, "", now, 10.0)
    page = sit("ben", f"/appeals/{appeal.id}")
    with stack.database.write() as connection:
        appeals.settle(connection, appeal.id, "lea", upheld, now, 10.0)
    page.keyboard.press("1")
    expect(page.locator("#conflict")).to_contain_text("This appeal is already settled")


@pytest.mark.scenario
def test_a_new_case_arrives_and_does_not_move_the_list(stack: Stack, sit: Sit) -> None:
    stack.say(3)
    page = sit("ana")
    before = page.inner_text("#rows")
    [fresh] = stack.say(1)
    expect(page.locator("#arrivals span")).to_contain_text("1 new")
    assert page.inner_text("#rows") == before
    page.keyboard.press(".")
    page.wait_for_selector(f'.row[data-case="{fresh}"]')
