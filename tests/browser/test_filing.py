"""What leaves the console for the files of others, in a browser: CSV, the final report and its bundle; a stop drill."""

import csv
import json
from pathlib import Path

import msgspec
from playwright.sync_api import Page, expect

from pipeline.assessment import drills, register
from pipeline.assessment.report import assessments, verify
from pipeline.base import signing
from pipeline.review.cases import reading
from pipeline.review.cases.case_values import Choice
from pipeline.review.delivery import enforcements
from pipeline.review.delivery.enforcements import Confirmation
from tests.browser.conftest import Sit, Stack
from tests.browser.test_look import violations
from tests.pipeline.assessment.report import stored


def download(page: Page, link: str) -> bytes:
    """Click a link and return the file that the browser gets."""
    with page.expect_download() as got:
        page.get_by_role("link", name=link).click()
    return got.value.path().read_bytes()


def rows(file: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(file.decode("utf-8-sig").splitlines()))


def test_a_lead_exports_cases_and_figures(stack: Stack, sit: Sit) -> None:
    cases = stack.say(6, ago=2 * 3_600)
    formula = msgspec.structs.replace(stack._flag(1_001), speaker="=1+1", text="dirt")
    [strange] = stack.store.add([formula], stack.now())
    stack.store.decide(cases[3], "ana", Choice(verdict="uphold"), stack.now() - 3_600)
    page = sit("lea", path="/search?q=dirt|nudes")
    shown = [one.get_attribute("data-case") for one in page.locator("#results .result").all()]
    found = {row["case"]: row for row in rows(download(page, "Export CSV"))}
    assert list(found) == shown
    assert set(shown) == {cases[1], cases[3], strange.case}
    assert found[strange.case]["speaker"] == "'=1+1"  # a spreadsheet does not run it
    assert [found[cases[3]][name] for name in ("verdict", "decided_by", "said")] == [
        *("uphold", "ana", "you are a worthless piece of dirt")
    ]
    page.goto(f"{stack.url}/quality?period=day")
    figures = rows(download(page, "Export CSV"))
    assert sum(int(row["value"]) for row in figures if row["figure"] == "decided") == 1
    assert sit("ana", path="/search?q=dirt").get_by_role("link", name="Export CSV").count() == 0


def test_a_report_becomes_final_and_its_bundle_is_verified(stack: Stack, sit: Sit, tmp_path: Path) -> None:
    stack.say(3)
    key = tmp_path / "assessment.key"
    signing.make_key(key)
    page = sit("lea", path="/assessment/reports")
    page.get_by_label("Name of the service").fill("Harbour")
    page.get_by_role("button", name="Open an assessment").click()
    page.wait_for_url("**/assessment/reports/*")
    finish = page.get_by_role("button", name="Make the report final")
    expect(finish).to_be_disabled()
    identity = page.url.rpartition("/")[2]
    stored.answer(stack.database, identity)
    page.reload()
    page.get_by_label("I have read the draft").check()
    assert violations(page) == []
    finish.click()
    expect(page.get_by_role("heading", name="Anchor in the audit log")).to_be_visible()
    with stack.database.read() as connection:
        final = assessments.find(connection, identity)
    assert final.sha256
    expect(page.get_by_text(final.sha256)).to_be_visible()
    expect(finish).to_have_count(0)

    report = json.loads(download(page, "Content (JSON)"))
    assert (report["id"], report["finished_by"]) == (identity, "lea")
    assert {row["indicator"] for row in rows(download(page, "Figures (CSV)"))} >= {"I-02", "I-06"}
    assert download(page, "PDF, Chinese").startswith(b"%PDF-")
    bundle = download(page, "Evidence bundle (signed zip)")
    with stack.database.read() as connection:
        public = signing.read_public(signing.public_file(key))
        checks = [*verify.of_bundle(bundle, "bundle.zip", public, connection)]
        checks += verify.of_assessment(connection, final)
    assert {check.result for check in checks} == {"ok", "skipped"}  # some figures describe the store as it was
    assert violations(page) == []


def test_a_stop_drill_is_ordered_confirmed_and_filed(stack: Stack, sit: Sit) -> None:
    page = sit("lea", path="/assessment/drills")
    page.get_by_label("Test rooms").fill("test-1\ntest-1")
    page.get_by_label("There are no users").check()
    order = page.get_by_role("button", name="Order the app to close them")
    order.click()
    expect(page.locator("#conflict")).to_contain_text("Name each room once.")
    page.get_by_label("Test rooms").fill("test-1\ntest-2")
    order.click()
    page.wait_for_url("**/assessment/drills/stop-*")
    expect(page.get_by_text("not confirmed")).to_have_count(2)
    with stack.database.write() as connection:
        [drill] = drills.all_drills(connection, "stop")
        decision, other = reading.decisions_since(connection, drill.started_at - 1)
        assert (decision.action, other.action) == ("close_room", "close_room")
        now = stack.now()
        done = Confirmation(decision=decision.id, action="close_room", result="done", at=now, received_at=now)
        enforcements.confirm(connection, done)
    page.get_by_role("link", name="Show the newest results").click()
    expect(page.locator(".facts-list").first).to_contain_text("1 / 2")
    page.get_by_role("button", name="End the drill").click()
    expect(page.get_by_text("running", exact=True)).to_have_count(0)
    with stack.database.read() as connection:
        assert drills.get(connection, drill.id).ended_at is not None

    page.goto(f"{stack.url}/assessment/register")
    page.locator("form[action$='/new'] select").select_option("incident")
    page.get_by_role("button", name="Fill in").click()
    page.get_by_label("Title").fill("One room stayed open")
    page.get_by_label("Severity").select_option("high")
    page.get_by_label("Cause").fill("The app lost the event")
    page.get_by_role("button", name="Add the entry").click()
    page.wait_for_url("**/assessment/register/*")
    expect(page.locator(".facts-list").first).to_contain_text("The app lost the event")
    page.locator("summary", has_text="Close the entry").click()
    page.get_by_role("button", name="Close the entry").click()
    expect(page.get_by_text("closed the entry")).to_be_visible()
    assert violations(page) == []
    with stack.database.read() as connection:
        [entry] = register.all_records(connection, "incident")
    assert (entry.fields["title"], entry.author, entry.closed_at is None) == ("One room stayed open", "lea", False)
