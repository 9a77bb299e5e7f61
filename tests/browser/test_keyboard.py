"""The console by keyboard only."""

import time

import msgspec
import pytest
from playwright.sync_api import Dialog, Page, expect

from pipeline.review.appeals import appeals
from pipeline.review.cases import deciding, queue
from pipeline.review.cases.values import Choice, Filters
from tests.browser.conftest import SAID, Sit, Stack

COUNT_MICE = """
window.mice = 0;
for (const kind of ["pointerdown", "mousedown", "mousemove", "click", "wheel"])
  addEventListener(kind, (event) => { if (event.isTrusted && event.pointerType !== "") mice += 1; }, true);
"""
CASES = 60
PARTS = {".wave": 1, ".transcript p:first-child .word:nth-child(2)": 1, ".verdict": 3}
"""Selectors of the parts that must be visible in each case, and how many elements each has."""
IN_SIGHT = """
(selectors) => [scrollY, selectors.map((selector) => [...document.querySelectorAll(selector)].map((part) => {
  const { left, top, width, height } = part.getBoundingClientRect();
  const inside = left >= 0 && top >= 0 && left + width <= innerWidth && top + height <= innerHeight;
  const over = document.elementFromPoint(left + width / 2, top + height / 2);
  return inside && width > 0 && part.contains(over);
}))]
"""
"""Returns the page's scroll position, and for each element whether it is fully visible and uncovered."""


def opened(page: Page) -> str:
    """Wait for a case with a form for a decision, and return its id."""
    case = page.get_attribute(".case[data-lease]:has(#decide)", "data-case")
    assert case is not None
    return case


def decide(page: Page, key: str, case: str) -> None:
    page.keyboard.press(key)
    page.wait_for_selector(f'.row[data-case="{case}"][data-done]')


def assert_in_sight(page: Page, number: int) -> None:
    assert page.evaluate(IN_SIGHT, list(PARTS)) == [0, [[True] * count for count in PARTS.values()]], f"case {number}"


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (1920, 1080), (1366, 768)])
def test_sixty_mixed_cases_and_one_undo(stack: Stack, sit: Sit, width: int, height: int) -> None:
    stack.say(CASES)
    page = sit("ana", viewport={"width": width, "height": height})
    page.evaluate(COUNT_MICE)
    page.keyboard.press("j")
    verdicts = {}
    for number in range(CASES):
        case = opened(page)
        assert case not in verdicts, "a case came twice"
        assert_in_sight(page, number + 1)
        if number == 3:  # type a label and a note; the note contains an "n", which is also a key
            page.keyboard.press("l")
            page.keyboard.type("Adv")
            page.keyboard.press("Escape")
            page.keyboard.press("n")
            page.keyboard.type("not a threat; spam 1 2 3")
            page.keyboard.press("Escape")
        verdicts[case] = ("uphold", "dismiss", "escalate")[number % 3]
        decide(page, str(number % 3 + 1), case)
        if number == 10:
            page.wait_for_selector(f'.case[data-lease]:not([data-case="{case}"])')
            page.keyboard.press("u")
            page.wait_for_selector(f'.case[data-case="{case}"][data-lease]')
            assert stack.store.case(case).case.status == "pending"
            verdicts[case] = "dismiss"
            decide(page, "2", case)
        if number < CASES - 1:
            page.wait_for_selector(f'.case[data-lease]:not([data-case="{case}"])')
    stored = {case.id: case for case in stack.store.cases(Filters(), limit=CASES)}
    assert {identity: case.verdict for identity, case in stored.items()} == verdicts
    noted = [one for case in stored for one in stack.store.case(case).decisions if one.note]
    assert [(one.label, one.note) for one in noted] == [("ads_spam", "not a threat; spam 1 2 3")]
    undone = [one for case in stored for one in stack.store.case(case).decisions if one.undone]
    assert len(undone) == 1
    assert page.evaluate("window.mice") == 0


def test_j_continues_on_the_next_pages_of_a_long_queue(stack: Stack, sit: Sit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "PAGE", 15)
    flags = [stack._flag(number) for number in range(1_000)]
    stack.store.add(flags, time.time())
    with stack.database.read() as connection:
        ordered = [case.id for case in queue.page(connection, limit=1_000)]
    page = sit("ana")
    for number in range(2 * queue.PAGE + 5):
        page.keyboard.press("j")
        page.wait_for_selector(f'.case[data-case="{ordered[number]}"][data-lease]')
    shown = [row.get_attribute("data-case") for row in page.locator("#rows .row").all()]
    assert shown == ordered[: len(shown)]


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
    where = float(page.inner_text("#position").split(" ")[0])
    until = float(player.get_attribute("data-to") or "nan")
    assert abs(where - until) < 0.06, "it stops at the end of the flagged span"
    page.keyboard.press("ArrowLeft")
    assert abs(float(page.inner_text("#position").split(" ")[0]) - (until - 2)) < 0.11
    page.keyboard.press("]")
    expect(page.locator("#speed")).to_have_text("1.25×")
    page.keyboard.press("v")
    expect(page.locator('[data-do="soften"]')).to_have_attribute("aria-pressed", "true")
    page.keyboard.press(" ")
    expect(player).to_have_attribute("data-state", "playing")
    page.keyboard.press(" ")
    expect(player).to_have_attribute("data-state", "paused")


def test_two_moderators_see_each_other_s_actions(stack: Stack, sit: Sit) -> None:
    first, second = stack.say(2)
    ana, ben = sit("ana"), sit("ben")
    ana.keyboard.press("j")
    taken = opened(ana)
    expect(ben.locator(f'.row[data-case="{taken}"] .holder')).to_have_text("held by ana")
    ben.keyboard.press("j")
    other = opened(ben)
    assert {taken, other} == {first, second}
    ana.keyboard.press("2")
    expect(ben.locator(f'.row[data-case="{taken}"]')).to_have_attribute("data-done", "dismiss")


def test_the_typed_text_survives_a_conflict(stack: Stack, sit: Sit) -> None:
    [case] = stack.say(1)
    page = sit("ana")
    page.keyboard.press("j")
    opened(page)
    page.keyboard.press("n")
    page.keyboard.type("my long note")
    page.keyboard.press("Escape")
    with stack.database.write() as connection:
        from pipeline.review.cases import leases

        leases.claim(connection, case, "ben", time.time() + 400)
    page.keyboard.press("1")
    page.wait_for_selector("#conflict .problem")
    assert page.input_value("#decide textarea") == "my long note"


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
    page.click('.like [name="verdict"][value="dismiss"]')
    assert stack.store.cases(Filters(status="decided")) == []
    page.click('.like [name="verdict"][value="dismiss"]')
    page.wait_for_selector(f'.row[data-case="{cases[0]}"][data-done="dismiss"]')
    assert asked == ["No violation all 21"] * 2
    assert {case.id for case in stack.store.cases(Filters(status="decided"))} == set(cases)


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


def test_a_new_case_arrives_and_does_not_move_the_list(stack: Stack, sit: Sit) -> None:
    stack.say(3)
    page = sit("ana")
    before = page.inner_text("#rows")
    [fresh] = stack.say(1)
    expect(page.locator("#arrivals span")).to_contain_text("1 new")
    assert page.inner_text("#rows") == before
    page.keyboard.press(".")
    page.wait_for_selector(f'.row[data-case="{fresh}"]')
