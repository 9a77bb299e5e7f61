"""The assessment in a browser: each field is saved alone, and the console hashes a proof."""

from hashlib import sha256

from playwright.sync_api import expect

from pipeline.assessment import triggers, workdays
from pipeline.assessment.report import assessments
from pipeline.assessment.triggers import Signal
from pipeline.review.accounts import accounts, passwords
from tests.browser.conftest import Sit, Stack
from tests.pipeline.review import people

SCAN = b"a written notice"


def test_the_assessment(stack: Stack, sit: Sit) -> None:
    stack.say(2)
    with stack.database.write() as connection:
        window = assessments.default_window(stack.now())
        made = assessments.open_one(connection, "Harbour", window, "lea", stack.now())
    page = sit("lea", path=f"/assessment/forms/{made.id}", theme="dark", locale="zh-CN")
    page.fill("#f-function_name [name=text]", "not saved yet")
    page.fill("#f-service_name [name=text]", "Harbour")
    page.click("#f-service_name button")
    expect(page.locator("#f-service_name .state.met")).to_be_visible()
    expect(page.locator("#f-function_name [name=text]")).to_have_value("not saved yet")
    expect(page.locator("#missing a[href='#f-service_name']")).to_have_count(0)
    page.goto(f"{stack.url}/assessment/triggers")
    page.set_input_files("[name=file]", {"name": "scan.pdf", "mimeType": "application/pdf", "buffer": SCAN})
    expect(page.locator("[name=sha256]")).to_have_value(sha256(SCAN).hexdigest())
    expect(page.locator("[name=scan]")).to_have_value("scan.pdf")


def test_triggers_are_decided_in_a_row(stack: Stack, sit: Sit) -> None:
    """The page stays where it is, and the next trigger has the focus, so that nobody needs the mouse."""
    signals = [Signal("3.1", f"room_type:quiz-{number}", {"first_seen_at": stack.now()}) for number in range(5)]
    with stack.database.write() as connection:
        triggers.suggest(connection, signals, workdays.calendar(), stack.now())
    page = sit("lea", path="/assessment/triggers")
    page.locator("article textarea").first.focus()
    for left in range(4, -1, -1):
        page.keyboard.type("a rename")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.locator("article textarea")).to_have_count(left)
        if left:
            expect(page.locator("article textarea").first).to_be_focused()
    with stack.database.read() as connection:
        assert {each.state for each in triggers.all_triggers(connection)} == {"rejected"}


def test_an_error_and_the_end_of_the_session_keep_what_was_typed(stack: Stack, sit: Sit) -> None:
    with stack.database.write() as connection:
        accounts.change_account(
            connection, "lea", stack.now(), "test", password=passwords.hash_new_password(people.PASSWORD, "lea")
        )
    note = "We added two moderators at night. " * 100
    page = sit("lea", path="/assessment/hazards")
    form = page.locator("form[action='/assessment/hazards']")
    form.locator("[name=about]").fill("5(4).patrol")
    form.locator("[name=title]").fill("No patrol at night")
    form.locator("button").click()
    item = page.locator("article.item")
    expect(item).to_have_count(1)
    item.locator("summary", has_text="Mark as fixed").click()
    fix = item.locator("form[action$='/fix']")
    fix.locator("[name=note]").fill(note)
    fix.locator("[name=scan]").fill("rota.pdf")  # a proof without its hash
    fix.locator("button").click()
    expect(page.locator("#conflict")).to_contain_text("A proof needs")
    expect(page.locator("#conflict .problem")).to_be_in_viewport()
    expect(fix.locator("[name=note]")).to_have_value(note)
    page.context.clear_cookies()
    fix.locator("button").click()
    page.fill("[name=name]", "lea")
    page.fill("[name=password]", people.PASSWORD)
    page.click("button.primary")
    expect(fix.locator("[name=note]")).to_have_value(note)
    expect(fix.locator("[name=note]")).to_be_visible()
    fix.locator("[name=scan]").fill("")
    fix.locator("button").click()
    expect(page.locator("article .chip")).to_have_count(0)
    expect(page.locator("article")).to_contain_text("fixed, not yet proved")
