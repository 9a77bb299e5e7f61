"""A shift: two people decide 64 cases by keyboard at the same time, at four sizes, in two languages.

At each case the verdicts and the first hit are in sight, and nothing on the page has moved. On the way each person
meets what goes wrong in a shift: a slip, a case that another one takes, a case that changes, a lost network, a lost
session.
"""

import re
import time

import msgspec
import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import delete

from pipeline.console.guard import COOKIE
from pipeline.review.accounts import accounts, wellness
from pipeline.review.accounts.accounts import Preferences, ViewingLimits
from pipeline.review.cases import leases
from pipeline.review.quality import quality_checks
from pipeline.review.tables.core import SESSIONS
from tests.browser.conftest import Sit, Stack
from tests.browser.test_look import violations

EACH = 8
"""Cases of each person at each size."""
SIZES = ((1440, 900), (1366, 768), (720, 450), (390, 844))
"""A desktop, a small laptop, a small window at 200 % zoom, a phone."""

WATCHED = """
window.moved = [];
window.mice = 0;
new PerformanceObserver((list) => list.getEntries().forEach((one) =>
  moved.push([one.value, ...one.sources.map(({ node, previousRect: from, currentRect: to }) =>
    `${node?.nodeName}#${node?.id}.${node?.className} ${from.x},${from.y} > ${to.x},${to.y}`)])))
  .observe({ type: "layout-shift" });
for (const kind of ["pointerdown", "mousemove", "wheel"]) addEventListener(kind, () => { mice += 1; }, true);
"""
IN_SIGHT = """
() => {
  const seen = (part) => {
    const { left, top, right, bottom, width, height } = part.getBoundingClientRect();
    const inside = left >= 0 && top >= 0 && right <= innerWidth && bottom <= innerHeight && width > 0;
    return inside && part.contains(document.elementFromPoint(left + width / 2, top + height / 2));
  };
  const verdicts = [...document.querySelectorAll("#decide .v-btn")];
  return { scrolled: scrollY, verdicts: verdicts.map(seen), hit: seen(document.querySelector("#transcript .w.hit")),
           moved, mice };
}
"""
FORGET = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(moved = []))))"
AT_REST = {"scrolled": 0, "verdicts": [True] * 3, "hit": True, "moved": [], "mice": 0}
OPENED = "(before) => { const one = document.querySelector('#pane .case'); return one && one.dataset.case !== before; }"


class Seat:
    """One person at their page. `decided` has the verdict of each case that they decided."""

    def __init__(self, stack: Stack, page: Page, name: str) -> None:
        self.stack, self.page, self.name = stack, page, name
        self.decided: dict[str, str] = {}
        self.case = ""
        page.evaluate(WATCHED)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def note(self, words: str) -> None:
        self.press("n")
        self.page.keyboard.type(words)
        self.press("Escape")

    def expect_move(self) -> None:
        """Forget what has moved until now, because it answers the person. The browser tells it a frame later."""
        self.page.evaluate(FORGET)

    def settle(self) -> None:
        """Wait for the next case that this person may decide. If the other one has it, go on."""
        before = self.case
        for _ in range(2 * EACH):
            self.page.wait_for_function(OPENED, arg=before)
            self.case = self.page.get_attribute("#pane .case", "data-case") or ""
            if self.page.locator("[data-instead]").count():  # the window before holds a case; leave that one
                self.press("Enter")
                self.page.wait_for_selector("#pane .case:not(:has([data-instead]))")
            if self.page.locator("#decide").count():
                assert self.case not in self.decided
                assert self.page.evaluate(IN_SIGHT) == AT_REST, f"case {len(self.decided) + 1} of {self.name}"
                return
            before = self.case
            self.press("j")
        raise AssertionError("no free case")

    def decide(self, verdict: str) -> None:
        """Press the key of a verdict. The page goes on by itself."""
        self.decided[self.case] = verdict
        self.press({"uphold": "1", "dismiss": "2", "escalate": "3"}[verdict])

    def done(self, case: str) -> None:
        expect(self.page.locator(f'.row[data-case="{case}"]')).to_have_attribute("data-done", self.decided[case])


def take_back(seat: Seat) -> None:
    """A slip: the wrong verdict. The form comes back as it was decided."""
    seat.press("l")
    seat.page.keyboard.type("广告" if seat.name == "ana" else "spam")  # a label is found in either language
    seat.press("Enter")
    seat.expect_move()  # what is typed filters the labels
    seat.note("not a threat; spam 1 2 3")
    slipped = seat.case
    seat.decide("uphold")
    seat.settle()
    seat.press("u")
    seat.page.wait_for_selector(f'.case[data-case="{slipped}"] #decide')
    seat.case = slipped
    del seat.decided[slipped]
    assert seat.stack.store.case(slipped).case.status == "pending"
    assert seat.page.input_value("#decide [name=label]") == "ads_spam"
    assert seat.page.input_value("#note") == "not a threat; spam 1 2 3"


def skip(seat: Seat) -> None:
    seat.press("s")
    seat.settle()


def skip_checks(seat: Seat) -> None:
    """Skip copies for checks: new speech joins their originals."""
    with seat.stack.database.read() as connection:
        while quality_checks.copied(connection, seat.case):
            skip(seat)


def decide_similar(seat: Seat) -> list[str]:
    """Decide three cases of one speaker with one label together, and return their ids.

    One Tab leads to the first control.
    """
    flags = [
        msgspec.structs.replace(flag, speaker="loud", labels={"abuse": 0.7}, flagged=("abuse",))
        for flag in (seat.stack._flag(1_000 + number * 6 + 3) for number in range(3))
    ]
    alike = [one.case for one in seat.stack.store.add(flags, time.time())]
    expect(seat.page.locator("#arrivals")).not_to_have_attribute("hidden", "")
    seat.press(".")
    seat.page.click(f'.row[data-case="{alike[0]}"]')
    seat.page.wait_for_selector(f'.case[data-case="{alike[0]}"] #decide')
    seat.case = alike[0]
    seat.press("x")
    expect(seat.page.locator("#like-title")).to_be_focused()
    seat.press("Tab")
    assert seat.page.evaluate("document.activeElement.closest('#like') !== null")
    seat.press("2")
    seat.page.wait_for_selector(f'.row[data-case="{alike[2]}"][data-done=dismiss]')
    return alike


def lose_the_case(seat: Seat) -> None:
    """The lease ends, and another person takes the case. The strip says so at once, and the note is kept."""
    lost = seat.case
    seat.note("half a thought")
    with seat.stack.database.write() as connection:
        leases.claim(connection, lost, "lea", time.time() + 400)
    strip = seat.page.locator("#strip")
    expect(strip).to_have_attribute("data-state", "lost")
    expect(strip).to_contain_text("lea")
    expect(seat.page.locator("#decide .v-btn").first).to_be_disabled()
    assert seat.page.input_value("#note") == "half a thought"
    seat.press("j")
    seat.page.wait_for_function(OPENED, arg=lost)
    expect(strip).not_to_have_attribute("data-state", "lost")
    seat.expect_move()  # inside the strip, the message took the place of the undo
    seat.settle()


def decide_a_case_that_changed(seat: Seat) -> None:
    """More speech joins the case. The decision is not stored; Enter sends it again for the case as it is now."""
    skip_checks(seat)
    changed = seat.case
    seat.note("keep me")
    flag = seat.stack.store.case(changed).flags[0]
    more = msgspec.structs.replace(flag, id=flag.id + "-more", utterance="more", start=flag.end, end=flag.end + 1)
    assert seat.stack.store.add([more], time.time())[0].case == changed
    seat.press("1")
    expect(seat.page.locator("#conflict-title")).to_be_focused()
    expect(seat.page.locator("#transcript .turn.this")).to_have_count(2)
    assert seat.page.input_value("#note") == "keep me"
    seat.decided[changed] = "uphold"
    seat.press("Enter")
    seat.page.wait_for_function(OPENED, arg=changed)
    seat.expect_move()  # the card about the change pushed the transcript down
    seat.settle()
    assert seat.stack.store.case(changed).decisions[-1].note == "keep me"


def decide_offline(seat: Seat) -> None:
    """The network fails. The decision is not lost: Enter sends it when the network is back."""
    case = seat.case
    seat.note("in a tunnel")
    seat.page.context.set_offline(True)
    seat.press("2")
    expect(seat.page.locator("#strip")).to_have_attribute("data-state", "unsent")
    assert seat.stack.store.case(case).decisions == ()
    seat.page.context.set_offline(False)
    seat.page.wait_for_selector("body[data-live=on]")
    seat.decided[case] = "dismiss"
    seat.press("Enter")
    seat.page.wait_for_function(OPENED, arg=case)
    seat.expect_move()  # the banner about the connection pushed the page down
    seat.settle()
    assert seat.stack.store.case(case).decisions[-1].note == "in a tunnel"


def sign_in_again(seat: Seat) -> None:
    """The session ends. After the sign-in, the same case is open with the same form."""
    case = seat.case
    seat.note("do not lose me")
    with seat.stack.database.write() as connection:
        connection.execute(delete(SESSIONS).where(SESSIONS.c.account == seat.name))
    seat.press("1")
    seat.page.wait_for_url(re.compile(r"/login\?then="))
    assert seat.page.input_value("[name=then]").startswith(f"/cases/{case}")
    back = {"name": COOKIE, "value": seat.stack.cookie(seat.name), "url": seat.stack.url}
    seat.page.context.add_cookies([back])  # type: ignore[list-item]
    seat.page.goto(seat.stack.url + seat.page.input_value("[name=then]"))
    seat.page.wait_for_selector(f'.case[data-case="{case}"] #decide')
    assert seat.page.input_value("#note") == "do not lose me"
    seat.page.evaluate(WATCHED)


INCIDENTS = (
    {"ana": take_back, "ben": skip},
    {"ana": skip, "ben": take_back},
    {"ana": lose_the_case, "ben": decide_a_case_that_changed},
    {"ana": decide_offline, "ben": sign_in_again},
)


@pytest.mark.timeout(900)
def test_two_people_decide_sixty_four_cases(stack: Stack, sit: Sit) -> None:
    stack.say(2 * EACH * len(SIZES) + 12)
    with stack.database.write() as connection:
        for name in ("ana", "ben"):  # the proposal of a break would move the page
            accounts.store_preferences(
                connection, name, Preferences(comfort=ViewingLimits(break_severe=1_000, break_minutes=720))
            )
    verdicts: dict[str, str] = {}
    for (width, height), incidents in zip(SIZES, INCIDENTS, strict=True):
        size = {"width": width, "height": height}
        seats = [
            Seat(stack, sit(name, viewport=size, locale=locale), name)
            for name, locale in (("ana", "en"), ("ben", "zh-CN"))
        ]
        for seat in seats:
            seat.press("j")
        for seat in seats:
            seat.settle()
        for number in range(EACH):
            if number == 2:
                for seat in seats:
                    incidents[seat.name](seat)
            before = [seat.case for seat in seats]
            for turn, seat in enumerate(seats):
                seat.decide(("uphold", "dismiss", "escalate")[(number + turn) % 3])
            for seat, case in zip(seats, before, strict=True):
                seat.done(case)
                seat.settle()
        for seat in seats:
            verdicts |= seat.decided
            seat.page.context.close()
    assert len(verdicts) >= 2 * EACH * len(SIZES)
    # Some of them may be copies for checks, which the list of cases leaves out.
    assert {case: stack.store.case(case).case.verdict for case in verdicts} == verdicts


@pytest.mark.parametrize(("width", "locale"), [(1440, "en"), (1440, "zh-CN"), (1024, "en")])
def test_the_meter_of_listening_moves_nothing_when_it_comes(stack: Stack, sit: Sit, width: int, locale: str) -> None:
    with stack.database.write() as connection:
        accounts.store_preferences(connection, "ana", Preferences(comfort=ViewingLimits(break_minutes=720)))
    page = sit("ana", viewport={"width": width, "height": 800}, locale=locale)
    page.wait_for_selector("#meter a")
    places = "() => [...document.querySelectorAll('.top > *')].map(part => part.getBoundingClientRect().x)"
    most = page.locator("#meter .long").evaluate("text => text.textContent = text.textContent.replace('0', '720')")
    assert str(most).count("720") == 2
    after = page.evaluate(places)
    page.locator("#meter").evaluate("meter => meter.textContent = ''")
    assert page.evaluate(places) == after


def test_similar_cases_are_decided_together_by_keyboard(stack: Stack, sit: Sit) -> None:
    stack.say(2)
    seat = Seat(stack, sit("ana"), "ana")
    seat.press("j")
    seat.settle()
    alike = decide_similar(seat)
    assert [stack.store.case(case).case.verdict for case in alike] == ["dismiss"] * 3
    expect(seat.page.locator(".row[data-done=dismiss]")).to_have_count(3)
    seat.press("u")
    expect(seat.page.locator(".row[data-done]")).to_have_count(0)
    assert [stack.store.case(case).case.status for case in alike] == ["pending"] * 3


def test_a_break_keeps_the_case_until_its_end(stack: Stack, sit: Sit) -> None:
    first, second = stack.say(2)
    page = sit("ana")
    page.keyboard.press("j")
    page.wait_for_selector(f'.case[data-case="{first}"] #decide')
    usual = lease_ends(stack, first)
    page.get_by_role("button", name="ana: menu").click()
    assert violations(page) == []
    page.get_by_role("button", name="Start a break").click()
    page.wait_for_url("**/wellness")
    expect(page.get_by_role("status")).to_contain_text("Your case stays reserved for you")
    assert lease_ends(stack, first) > usual + 600
    colleague = sit("ben")
    colleague.keyboard.press("j")
    colleague.wait_for_selector(f'.case[data-case="{second}"] #decide')
    page.locator("main").get_by_role("button", name="End the break").click()
    page.wait_for_url(f"**/cases/{first}")
    page.keyboard.press("Enter")
    page.wait_for_selector(f'.case[data-case="{first}"] #decide')
    page.keyboard.press("1")
    expect(page.locator(f'.row[data-case="{first}"]')).to_have_attribute("data-done", "uphold")
    with stack.database.read() as connection:
        assert not wellness.is_resting(connection, "ana", time.time())


def lease_ends(stack: Stack, case: str) -> float:
    with stack.database.read() as connection:
        lease = leases.lease_of(connection, case)
    return lease.expires_at if lease else 0.0


def test_two_tabs_of_one_person_do_not_take_each_other_s_case(stack: Stack, sit: Sit) -> None:
    [first, second] = stack.say(2)
    one = sit("ana")
    one.keyboard.press("j")
    one.wait_for_selector("#decide")
    held = one.get_attribute(".case", "data-case")
    two = one.context.new_page()
    two.goto(f"{stack.url}/cases/{held}")
    two.keyboard.press("Enter")
    two.wait_for_selector("#decide")
    assert two.input_value("#lease-id") == one.input_value("#lease-id")
    other = second if held == first else first
    two.evaluate("sessionStorage.clear()")
    two.goto(f"{stack.url}/cases/{other}")
    two.keyboard.press("Enter")
    expect(two.locator("[data-instead=yes]")).to_be_visible()
    one.keyboard.press("1")
    expect(one.locator(f'.row[data-case="{held}"]')).to_have_attribute("data-done", "uphold")
