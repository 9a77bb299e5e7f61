"""Shifts on a slow network: each key of a verdict that the page took is stored, or shown as not stored."""

import random
from contextlib import suppress

import pytest
from playwright.sync_api import Error, Page, Route

from pipeline.review.accounts import accounts
from pipeline.review.accounts.accounts import Preferences, ViewingLimits
from tests.browser.conftest import Sit, Stack

CASES = 60
LONGEST = 800.0
"""The longest delay of a request, in milliseconds."""
SEEDS = (0, 1, *(pytest.param(seed, marks=pytest.mark.drill) for seed in range(2, 12)))
"""Two shifts of some minutes each are in the tests, and ten more in the drills."""
KEYS = {"1": "uphold", "2": "dismiss", "3": "escalate"}
WATCHED = """
window.told = [];
let shown = "";
const open = () => document.querySelector("#pane .case")?.dataset.case;
const typing = (target) => target.closest("input, textarea, select");
addEventListener("keydown", () => { shown = open(); }, true);
addEventListener("keydown", ({ key, target }) => {
  if (!["1", "2", "3"].includes(key) || typing(target)) return;
  const strip = document.querySelector("#strip");
  const name = document.querySelector(`#decide [data-do="${{ 1: "uphold", 2: "dismiss", 3: "escalate" }[key]}"] .clip`);
  const words = document.querySelector("#lease")?.textContent ?? "";
  told.push([key, shown, strip.dataset.state, words.includes(name?.textContent)]);
});
"""
AT_REST = '#pane[aria-busy="false"] .case:not([data-case="{}"]):has(#decide)'


class SlowSeat:
    """A person who works fast at a slow network."""

    def __init__(self, page: Page, seed: int) -> None:
        self.page = page
        self.random = random.Random(seed)  # noqa: S311 - delays and choices of a test
        page.route("**/*", self._delay)
        page.evaluate(WATCHED)

    def _delay(self, route: Route) -> None:
        if not route.request.url.endswith("/queue/live"):
            self.page.wait_for_timeout(self.random.uniform(0, LONGEST))
        with suppress(Error):  # the page gave the request up
            route.continue_()

    def pause(self) -> None:
        self.page.wait_for_timeout(self.random.choice((0, 0, 50, 200, 500)))

    def change(self) -> tuple[str, str | None]:
        """Choose a label, and mostly an action. Return both; the action is None if it is left to the page."""
        self.page.keyboard.press("l")
        self.page.keyboard.type(self.random.choice(("fraud", "abuse", "violence")))
        self.page.keyboard.press("Enter")
        label = self.page.input_value("#decide [name=label]")
        self.pause()
        if self.random.random() < 0.5:
            return label, None
        self.page.keyboard.press("a")
        self.page.keyboard.type("close")
        self.page.keyboard.press("Escape")
        return label, "close_room"

    def has_sent(self, case: str) -> bool:
        """Whether a verdict on the case is on its way: the last press of a nervous finger may meet the next case."""
        return any(at == case and state == "sending" for _, at, state, _ in self.page.evaluate("told"))

    def verdict(self) -> None:
        """Press a verdict, and sometimes another one at once, as a nervous finger does."""
        for _ in range(self.random.choice((1, 1, 1, 2, 3))):
            self.page.keyboard.press(self.random.choice("123"))
            self.pause()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", SEEDS)
def test_each_verdict_of_a_shift_is_stored_or_shown_as_not_stored(stack: Stack, sit: Sit, seed: int) -> None:
    stack.say(CASES + 3)
    with stack.database.write() as connection:
        limits = ViewingLimits(break_severe=1_000, break_minutes=720)
        accounts.store_preferences(connection, "ana", Preferences(comfort=limits))
    page = sit("ana")
    seat = SlowSeat(page, seed)
    chosen: dict[str, tuple[str, str | None]] = {}
    case = ""
    page.keyboard.press("j")
    for number in range(CASES):
        page.wait_for_selector(AT_REST.format(case))
        case = page.get_attribute("#pane .case", "data-case") or ""
        if number % 3 == 0 and not seat.has_sent(case):
            chosen[case] = seat.change()
        seat.verdict()
    page.wait_for_selector(AT_REST.format(case))
    page.unroute_all(behavior="wait")
    taken: dict[str, str] = {}
    for key, at, state, named in page.evaluate("told"):
        assert state in {"sending", "missed", "unsent"}, f"the key {key} was dropped at {at}"
        assert named or state == "missed", "the strip names the verdict that it has"
        if state == "sending":
            assert taken.setdefault(at, KEYS[key]) == KEYS[key]
    stored = {one: stack.store.case(one).decisions for one in taken}
    assert {one: decision.verdict for one, [decision] in stored.items()} == taken
    assert len(taken) >= CASES
    for one, (label, action) in chosen.items():
        assert (stored[one][0].label or "") == label
        assert action is None or taken[one] != "uphold" or stored[one][0].action == action
