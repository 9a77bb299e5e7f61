"""The assessment in a browser: each field is saved alone, the console hashes a proof, and axe finds no violations."""

from hashlib import sha256

from playwright.sync_api import expect

from pipeline.assessment.report import assessments
from tests.browser.conftest import Sit, Stack
from tests.browser.test_look import violations

PATHS = (
    "",
    "/indicators/I-06",
    "/triggers",
    "/hazards",
    "/drills",
    "/register",
    "/register/new?kind=policy_change",
    "/forms",
    "/reports",
)
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
    for path in PATHS:
        page.goto(f"{stack.url}/assessment{path}")
        page.wait_for_selector("main h1")
        assert violations(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
