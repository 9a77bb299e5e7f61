"""The console beside a slow server: keys that come before the answer to a decision."""

import re
import time

import msgspec
import pytest
from playwright.sync_api import APIResponse, Dialog, Page, Request, Route, expect

from tests.browser.conftest import Sit, Stack

DECISION = "**/decision"
SENDING = re.compile("^Sending: .?Violation.?$")  # invisible marks of the writing direction isolate the name
OPEN = "**/open"


def seated(stack: Stack, sit: Sit) -> tuple[Page, list[str]]:
    """Open the first of four cases. Return the page and the cases in the order of the list."""
    stack.say(4)
    page = sit("ana")
    # Chromium tells the page late that requests are intercepted. Without a route from the start, a key could be faster.
    page.route("**/nothing", lambda route: route.continue_())
    order = [row.get_attribute("data-case") or "" for row in page.locator("#rows .row").all()]
    page.keyboard.press("j")
    is_open(page, order[0])
    return page, order


def is_open(page: Page, case: str) -> None:
    """Wait until the case is open with its form, and the page has ended the move to it. Until then, keys do nothing."""
    page.wait_for_selector(f'#pane[aria-busy="false"] .case[data-case="{case}"]:has(#decide)')


class Held:
    """The request of a key. The server gets it with `release`. If it is `answered`, only its answer is held back."""

    def __init__(self, page: Page, pattern: str, key: str, *, answered: bool = False) -> None:
        self.routes: list[Route] = []
        page.route(pattern, self._keep, times=1)
        page.keyboard.press(key)
        while not self.routes:
            page.evaluate("0")  # handlers run while the page is asked something
        self.answer: APIResponse | None = self.routes[0].fetch() if answered else None

    def _keep(self, route: Route) -> None:
        self.routes.append(route)

    def release(self) -> None:
        if self.answer:
            self.routes[0].fulfill(response=self.answer)
        else:
            self.routes[0].continue_()

    def lose(self) -> None:
        self.routes[0].abort("internetdisconnected")


def opened(page: Page) -> list[str]:
    """Return a list that grows with each case that the page asks for."""
    cases: list[str] = []

    def note(request: Request) -> None:
        if request.url.endswith("/open"):
            cases.append(request.url.split("/")[-2])

    page.on("request", note)
    return cases


def verdicts(stack: Stack, cases: list[str]) -> list[str | None]:
    return [stack.store.case(case).case.verdict for case in cases]


@pytest.mark.parametrize("answered", [False, True])
def test_next_before_the_answer_waits_for_it(stack: Stack, sit: Sit, answered: bool) -> None:
    page, order = seated(stack, sit)
    asked = opened(page)
    held = Held(page, DECISION, "1", answered=answered)
    page.keyboard.press("j")
    expect(page.locator("#lease")).to_have_text(SENDING)
    assert asked == []
    held.release()
    is_open(page, order[1])
    assert asked == [order[1]], "no case is left out"
    assert verdicts(stack, order) == ["uphold", None, None, None]
    expect(page.locator("#strip")).to_have_attribute("data-state", "held")


def test_a_click_before_the_answer_chooses_the_next_case(stack: Stack, sit: Sit) -> None:
    page, order = seated(stack, sit)
    held = Held(page, DECISION, "2")
    page.click(f'.row[data-case="{order[3]}"]')
    held.release()
    is_open(page, order[3])
    assert verdicts(stack, order) == ["dismiss", None, None, None]


def test_a_refused_decision_keeps_the_case_that_was_to_be_left(stack: Stack, sit: Sit) -> None:
    page, order = seated(stack, sit)
    flag = stack.store.case(order[0]).flags[0]
    more = msgspec.structs.replace(flag, id="more", utterance="more", start=flag.end, end=flag.end + 1)
    assert stack.store.add([more], time.time())[0].case == order[0]
    held = Held(page, DECISION, "1")
    page.keyboard.press("j")
    held.release()
    expect(page.locator("#conflict-title")).to_be_focused()
    expect(page.locator("#strip")).to_have_attribute("data-state", "held")
    page.keyboard.press("Enter")
    is_open(page, order[1])
    assert verdicts(stack, order) == ["uphold", None, None, None]


def test_a_lost_network_keeps_the_case_that_was_to_be_left(stack: Stack, sit: Sit) -> None:
    page, order = seated(stack, sit)
    held = Held(page, DECISION, "1")
    page.keyboard.press("j")
    held.lose()
    expect(page.locator("#strip")).to_have_attribute("data-state", "unsent")
    page.keyboard.press("Enter")
    is_open(page, order[1])
    assert verdicts(stack, order) == ["uphold", None, None, None]


def test_a_case_that_is_being_left_is_not_decided(stack: Stack, sit: Sit) -> None:
    """The person who presses the key sees the old case, but may mean the next one."""
    page, order = seated(stack, sit)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    held = Held(page, OPEN, "j")
    expect(page.locator("#pane")).to_have_attribute("aria-busy", "true")
    page.keyboard.press("1")
    page.keyboard.press("s")
    held.release()
    is_open(page, order[1])
    assert not any(url.endswith(("/decision", "/skip")) for url in sent)
    expect(page.locator("#lease")).to_have_text("Not taken. The next case is opening.")
    page.keyboard.press("1")
    is_open(page, order[2])
    assert verdicts(stack, order) == [None, "uphold", None, None]


def test_an_undo_before_the_answer_takes_back_that_decision(stack: Stack, sit: Sit) -> None:
    page, order = seated(stack, sit)
    page.keyboard.press("2")
    is_open(page, order[1])
    held = Held(page, DECISION, "1")
    page.keyboard.press("u")
    held.release()
    expect(page.locator("#undo")).to_contain_text("Undone: 1")
    is_open(page, order[1])
    assert verdicts(stack, order) == ["dismiss", None, None, None]
    assert len(stack.store.case(order[1]).decisions) == 1


def test_an_undo_while_the_next_case_is_opening_opens_the_case_again(stack: Stack, sit: Sit) -> None:
    page, order = seated(stack, sit)
    held = Held(page, OPEN, "1", answered=True)  # the server has moved the lease, and the page does not know it yet
    page.locator("#undo [data-do=undo]").wait_for()
    page.keyboard.press("u")
    page.wait_for_selector(f'.row[data-case="{order[0]}"]:not([data-done])')
    held.release()
    is_open(page, order[0])
    assert verdicts(stack, order) == [None] * 4


def test_undos_before_the_answer_to_the_first_take_back_one_decision_each(stack: Stack, sit: Sit) -> None:
    page, order = seated(stack, sit)
    for following in order[1:]:
        page.keyboard.press("1")
        is_open(page, following)
    held = Held(page, "**/undo", "u")
    page.keyboard.press("u")
    page.keyboard.press("u")
    held.release()
    page.wait_for_selector(f'.row[data-case="{order[0]}"]:not([data-done])')
    is_open(page, order[0])
    assert verdicts(stack, order) == [None] * 4


def test_next_before_the_answer_to_a_skip_goes_one_case_on(stack: Stack, sit: Sit) -> None:
    page, order = seated(stack, sit)
    asked = opened(page)
    held = Held(page, "**/skip", "s", answered=True)
    page.keyboard.press("j")
    held.release()
    is_open(page, order[1])
    assert asked == [order[1]]


def test_the_browser_asks_before_it_drops_a_decision_on_its_way(stack: Stack, sit: Sit) -> None:
    page, order = seated(stack, sit)
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    held = Held(page, DECISION, "1")
    page.keyboard.press("g")
    page.keyboard.press("w")
    held.release()
    is_open(page, order[1])
    assert asked == ["beforeunload"]
    assert verdicts(stack, order) == ["uphold", None, None, None]


@pytest.fixture
def fraud_removes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fraud has a measure of its own, other labels begin with a warning."""
    monkeypatch.setenv("VOXWARDEN_MEASURES__LABELS", '{"fraud": [{"action": "remove"}]}')


def relabelled(page: Page, label: str, *, answered: bool = False) -> Held:
    """Choose a label by keyboard. Return the request for its measure."""
    page.keyboard.press("l")
    page.keyboard.type(label)
    return Held(page, "**/proposal?*", "Enter", answered=answered)


def posted(page: Page) -> list[str]:
    """Return a list that grows with each path to which the page sends something."""
    paths: list[str] = []
    page.on("request", lambda request: paths.append(request.url.split("/")[-1]) if request.method == "POST" else None)
    return paths


@pytest.mark.usefixtures("fraud_removes")
@pytest.mark.parametrize("answered", [False, True])
def test_a_verdict_before_the_measure_of_a_new_label_waits_for_it(stack: Stack, sit: Sit, answered: bool) -> None:
    """The verdict is pressed twice, and the next case is wished meanwhile."""
    page, order = seated(stack, sit)
    sent = posted(page)
    held = relabelled(page, "fraud", answered=answered)
    page.keyboard.press("1")
    expect(page.locator("#lease")).to_have_text(SENDING)
    page.keyboard.press("1")
    page.keyboard.press("j")
    assert not {"decision", "open"} & set(sent)
    held.release()
    is_open(page, order[1])
    assert sent.count("decision") == 1
    [decision] = stack.store.case(order[0]).decisions
    assert (decision.verdict, decision.label, decision.action) == ("uphold", "fraud", "remove")
    assert verdicts(stack, order) == ["uphold", None, None, None]


@pytest.mark.usefixtures("fraud_removes")
def test_the_last_of_two_labels_has_its_measure(stack: Stack, sit: Sit) -> None:
    page, order = seated(stack, sit)
    relabelled(page, "abuse")
    page.keyboard.press("l")
    page.keyboard.type("fraud")
    page.keyboard.press("Enter")
    expect(page.locator("#decide [name=action]")).to_have_value("remove")
    page.keyboard.press("1")
    is_open(page, order[1])
    [decision] = stack.store.case(order[0]).decisions
    assert (decision.label, decision.action) == ("fraud", "remove")


@pytest.mark.usefixtures("fraud_removes")
def test_a_verdict_whose_measure_is_lost_is_shown_and_sent_again_with_the_measure(stack: Stack, sit: Sit) -> None:
    page, order = seated(stack, sit)
    held = relabelled(page, "fraud")
    page.keyboard.press("1")
    held.lose()
    expect(page.locator("#lease")).to_contain_text("Not sent")
    assert verdicts(stack, order) == [None] * 4
    page.keyboard.press("Enter")
    is_open(page, order[1])
    [decision] = stack.store.case(order[0]).decisions
    assert (decision.verdict, decision.label, decision.action) == ("uphold", "fraud", "remove")


@pytest.mark.usefixtures("fraud_removes")
def test_an_action_that_is_chosen_before_the_measure_of_a_new_label_stays(stack: Stack, sit: Sit) -> None:
    page, order = seated(stack, sit)
    held = relabelled(page, "fraud")
    page.keyboard.press("a")
    page.keyboard.type("no action")
    held.release()
    page.keyboard.press("Escape")
    page.keyboard.press("1")
    is_open(page, order[1])
    [decision] = stack.store.case(order[0]).decisions
    assert (decision.label, decision.action) == ("fraud", None)


@pytest.mark.usefixtures("fraud_removes")
def test_the_list_of_actions_keeps_the_focus_when_the_measure_comes(stack: Stack, sit: Sit) -> None:
    page, order = seated(stack, sit)
    held = relabelled(page, "fraud")
    page.keyboard.press("a")
    held.release()
    expect(page.locator("#action")).to_have_value("remove")
    expect(page.locator("#action")).to_be_focused()
    page.keyboard.type("warn")
    page.keyboard.press("Escape")
    page.keyboard.press("1")
    is_open(page, order[1])
    assert stack.store.case(order[0]).decisions[0].action == "warn"


def test_a_skip_before_the_measure_goes_on_at_once(stack: Stack, sit: Sit) -> None:
    page, order = seated(stack, sit)
    held = relabelled(page, "fraud")
    page.keyboard.press("s")
    is_open(page, order[1])
    held.release()
    assert verdicts(stack, order) == [None] * 4


def slow(page: Page, milliseconds: int) -> None:
    """Delay the answer to each request of the page."""
    conditions = {"offline": False, "latency": milliseconds, "downloadThroughput": -1, "uploadThroughput": -1}
    page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", conditions)


@pytest.mark.usefixtures("fraud_removes")
@pytest.mark.parametrize("latency", [0, 300, 800])
@pytest.mark.parametrize("pause", [0, 200, 500])
def test_a_verdict_after_a_new_label_is_stored_at_any_delay(stack: Stack, sit: Sit, latency: int, pause: int) -> None:
    page, order = seated(stack, sit)
    slow(page, latency)
    for number, label in enumerate(("fraud", "abuse")):
        page.keyboard.press("l")
        page.keyboard.type(label)
        page.keyboard.press("Enter")
        page.wait_for_timeout(pause)
        page.keyboard.press("1")
        is_open(page, order[number + 1])
    stored = [stack.store.case(case).decisions for case in order[:2]]
    made = [(one.verdict, one.label, one.action) for [one] in stored]
    assert made == [("uphold", "fraud", "remove"), ("uphold", "abuse", "warn")]


def test_another_verdict_before_the_answer_is_shown_as_not_taken(stack: Stack, sit: Sit) -> None:
    page, order = seated(stack, sit)
    held = Held(page, DECISION, "1")
    expect(page.locator("#lease")).to_have_text(SENDING)
    page.keyboard.press("1")
    expect(page.locator("#lease")).to_have_text(SENDING)
    page.keyboard.press("2")
    expect(page.locator("#lease")).to_contain_text("Not taken: \u2068No violation\u2069.")
    held.release()
    is_open(page, order[1])
    expect(page.locator("#strip"), "it is still there beside the next case").to_have_attribute("data-state", "missed")
    expect(page.locator("#strip")).to_have_attribute("data-state", "held")
    assert verdicts(stack, order) == ["uphold", None, None, None]


def test_a_lost_skip_is_shown_and_sent_again(stack: Stack, sit: Sit) -> None:
    page, order = seated(stack, sit)
    Held(page, "**/skip", "s").lose()
    expect(page.locator("#lease")).to_contain_text("Not sent: \u2068Skip\u2069.")
    page.keyboard.press("Enter")
    is_open(page, order[1])


@pytest.mark.parametrize("width", [1440, 390])
def test_keys_go_to_the_note_before_the_notes_are_there(stack: Stack, sit: Sit, width: int) -> None:
    cases = stack.say(2)
    page = sit("ana", viewport={"width": width, "height": 844})
    held = Held(page, "**/notes", "j")
    page.wait_for_selector('#pane[aria-busy="false"] #decide')
    page.keyboard.press("N")
    page.keyboard.type("1 s u 3")
    held.release()
    page.wait_for_selector("#notes .notes")
    expect(page.locator("#note-text")).to_be_focused()
    page.keyboard.type(" and 2")
    expect(page.locator("#note-text")).to_have_value("1 s u 3 and 2")
    page.click(".write .btn")
    expect(page.locator(".notes .text")).to_have_text("1 s u 3 and 2")
    expect(page.locator("#note-text")).to_have_value("")
    assert verdicts(stack, cases) == [None] * 2


@pytest.mark.parametrize(
    ("key", "field"), [("N", "#note-text"), ("n", "#note"), ("l", "#picker-label [role=combobox]")]
)
def test_keys_go_to_the_field_of_a_case_that_is_opening(stack: Stack, sit: Sit, key: str, field: str) -> None:
    page, order = seated(stack, sit)
    held = Held(page, OPEN, "j")
    page.keyboard.press(key)
    page.keyboard.type("1 s 23")
    page.keyboard.press("Backspace")
    held.release()
    is_open(page, order[1])
    expect(page.locator(field)).to_be_focused()
    expect(page.locator(field)).to_have_value("1 s 2")
    assert verdicts(stack, order) == [None] * 4


def test_a_first_visit_needs_few_bytes(stack: Stack, sit: Sit) -> None:
    stack.say(60)
    page = sit("ana", path="/healthz")
    asked: list[Request] = []

    def add(request: Request) -> None:  # Playwright does not take a method of a list
        asked.append(request)

    page.on("request", add)
    page.goto(stack.url + "/queue")
    page.wait_for_selector("body[data-live=on]")
    page.wait_for_load_state("load")
    assert len(asked) <= 12
    ended = [request for request in asked if not request.url.endswith("/queue/live")]
    assert sum(request.sizes()["responseBodySize"] for request in ended) <= 60 * 1024
