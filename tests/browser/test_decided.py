"""What follows a decision, in a browser: a lead reopens the case or makes it golden; a harmless phrase is muted."""

import time
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Browser, expect

from pipeline.console.rendering import profile_href
from pipeline.review import audit_log
from pipeline.review.cases import correcting, phrase_muting, reading
from pipeline.review.cases.case_values import Choice
from pipeline.review.quality import quality_checks
from tests.browser.conftest import Sit, Stack, running, seats
from tests.browser.test_look import violations


def golden(stack: Stack, case: str) -> str | None:
    with stack.database.read() as connection:
        return quality_checks.golden_verdict(connection, case)


def test_a_decided_case_becomes_golden_and_is_reopened(stack: Stack, sit: Sit) -> None:
    [case] = stack.say(1)
    stack.store.decide(case, "ana", Choice(verdict="uphold"), time.time() - 60)
    lead = sit("lea", path=f"/cases/{case}")
    lead.get_by_role("button", name="Use as golden case: Violation").click()
    expect(lead.get_by_text("This case is golden: Violation.")).to_be_visible()
    assert golden(stack, case) == "uphold"
    lead.goto(f"{stack.url}/quality/golden")
    lead.get_by_role("button", name="Retire").click()
    expect(lead.get_by_text("No golden cases.")).to_be_visible()
    assert golden(stack, case) is None

    lead.goto(f"{stack.url}/cases/{case}")
    lead.locator("#correct summary", has_text="Reopen the case").click()
    lead.locator("#reopen-reason").select_option("misheard")
    assert violations(lead) == []
    lead.get_by_role("button", name="Reopen the case").click()
    expect(lead.locator(".decide.idle")).to_contain_text("Claim")
    assert stack.store.case(case).case.status == "pending"
    page = sit("ben")
    page.keyboard.press("j")
    page.wait_for_selector(f'.case[data-case="{case}"] #decide')
    page.keyboard.press("2")
    expect(page.locator(f'.row[data-case="{case}"]')).to_have_attribute("data-done", "dismiss")
    assert stack.store.case(case).decisions[-1].moderator == "ben"
    with stack.database.read() as connection:
        by_lead = [line.action for line in audit_log.newest_lines(connection, actor="lea", subject=case)]
    assert [action for action in by_lead if action != "case.view"] == ["case.reopen", "case.golden", "case.golden"]


@pytest.mark.parametrize("width", [1440, 1000])
def test_a_correction_of_a_case_that_changed_keeps_its_note(stack: Stack, sit: Sit, width: int) -> None:
    [case] = stack.say(1)
    stack.store.decide(case, "ana", Choice(verdict="uphold"), time.time() - 60)
    page = sit("lea", path=f"/cases/{case}", viewport={"width": width, "height": 800})
    page.get_by_role("button", name="Correct the decision").click()
    page.locator("#correct-reason").select_option("joke")
    page.locator("#correct textarea").fill("They laugh, and so do we.")
    with stack.database.write() as connection:
        version, choice = reading.case(connection, case).version, Choice(verdict="dismiss", reason="quote")
        correcting.correct(connection, case, "ada", choice, time.time(), version=version)
    page.get_by_role("button", name="Change to no violation").click()
    alert = page.locator("#conflict [role=alert]")
    expect(alert).to_have_text("The case has changed. Look at it again, then correct it.")
    expect(alert).to_be_in_viewport()
    expect(page.locator("#correct textarea")).to_have_value("They laugh, and so do we.")
    assert stack.store.case(case).decisions[-1].moderator == "ada"


def opens_a_case(stack: Stack, name: str) -> bool:
    """Tell whether the same phrase opens a case when it is said now, in the same room."""
    now = time.time()
    said = msgspec.structs.replace(stack._flag(1), id=name, utterance=name, speaker=name, start=now, end=now + 1)
    return bool(stack.store.add([said], now)[0].case)


def test_a_harmless_phrase_is_muted_in_its_room(browser: Browser, tmp_path: Path) -> None:
    # A busy machine takes longer than the usual time for an undo, after which the offer is gone.
    with running(tmp_path, undo_seconds=60.0) as stack, seats(stack, browser) as sit:
        case = stack.say(2)[1]
        room = stack.store.case(case).case.room
        page = sit("ana", path=f"/cases/{case}", viewport={"width": 1440, "height": 900})  # a strip with the offer
        page.keyboard.press("Enter")
        page.wait_for_selector("#decide")
        page.keyboard.press("2")
        page.get_by_role("button", name="Ask a lead to mute here for 24 h").click()
        expect(page.locator(".mute-offer")).to_contain_text("Asked a lead to mute")
        assert violations(page) == []
        assert opens_a_case(stack, "before")

        lead = sit("lea", path="/team")
        phrase = lead.locator("#phrases tr", has_text="nudes")
        expect(phrase).to_contain_text("waits for a lead")
        phrase.get_by_role("button", name="Mute for 24 h").click()
        expect(phrase).to_contain_text("23 h left")
        assert not opens_a_case(stack, "while")
        lead.goto(stack.url + profile_href("rooms", room))
        lead.get_by_role("button", name="End now").click()
        expect(lead.locator("#phrases")).to_contain_text("No phrase is muted")
        assert opens_a_case(stack, "after")
        with stack.database.read() as connection:
            assert phrase_muting.in_room(connection, room, time.time()) == []
            logged = [line.action for line in audit_log.newest_lines(connection, subject=case)]
        assert [one for one in logged if one.startswith("phrase")] == ["phrase.unmute", "phrase.mute", "phrase.ask"]
