"""Retention in a browser: a hold keeps a speaker's cases from an erasure until somebody releases it."""

import pytest
from playwright.sync_api import expect

from pipeline.base.errors import Missing
from pipeline.console.rendering import profile_href
from pipeline.review.privacy import erasure, holds
from pipeline.review.privacy.holds import Hold
from tests.browser.conftest import Sit, Stack
from tests.browser.test_look import violations


def held(stack: Stack) -> list[Hold]:
    with stack.database.read() as connection:
        return holds.active(connection)


def test_a_hold_keeps_a_case_from_an_erasure_until_its_release(stack: Stack, sit: Sit) -> None:
    first, other = stack.say(2)
    case = stack.store.case(first).case
    lead = sit("lea", path=profile_href("speakers", case.speaker))
    lead.get_by_role("button", name="Legal hold").click()
    assert violations(lead) == []
    lead.get_by_label("Who asks for the hold").fill("Court order 7")
    lead.locator("#hold").get_by_role("button", name="Legal hold").click()
    lead.wait_for_url("**/keeping")
    row = lead.get_by_role("row", name="Court order 7")
    expect(row).to_contain_text(case.speaker)

    admin = sit("ada", path="/keeping")
    speaker, again = admin.get_by_label("Id of the speaker"), admin.get_by_label("Repeat the id")
    speaker.fill(case.speaker)
    again.fill(case.speaker + "0")
    admin.get_by_role("button", name="Erase permanently").click()
    expect(again).to_be_focused()
    expect(again).to_have_accessible_description("The two ids differ. Nothing was erased.")
    expect(speaker).to_have_value(case.speaker)
    again.fill(case.speaker)
    admin.get_by_role("button", name="Erase permanently").click()
    admin.wait_for_url("**/keeping")
    expect(admin.locator("section", has=admin.locator("#erasures"))).to_contain_text(case.speaker)
    [clip] = stack.store.case(first).evidence
    assert stack.evidence.get(clip.path)

    row.get_by_role("button", name="Release").click()
    expect(lead.get_by_text("No holds.")).to_be_visible()
    assert held(stack) == []
    speaker.fill(case.speaker)
    again.fill(case.speaker)
    admin.get_by_role("button", name="Erase permanently").click()
    admin.wait_for_url("**/keeping")
    with pytest.raises(Missing):
        stack.store.case(first)
    with stack.database.read() as connection:
        assert [one.speaker for one in erasure.requests(connection)] == [case.speaker]
    lead.goto(f"{stack.url}/queue")
    expect(lead.locator("#rows .row")).to_have_attribute("data-case", other)


def test_a_case_is_held_by_its_id_as_the_page_shows_it(stack: Stack, sit: Sit) -> None:
    [case] = stack.say(1)
    page = sit("lea", path="/keeping")
    subject, reason = page.get_by_label("Id", exact=True), page.get_by_label("Reason and reference")
    subject.fill("#00000000")
    reason.fill("Court order 8")
    page.get_by_role("button", name="Add hold").click()
    expect(subject).to_be_focused()
    expect(subject).to_have_accessible_description("No such case. It may have been deleted under the retention rules.")
    assert violations(page) == []
    assert held(stack) == []
    subject.fill(f"#{case[:8].upper()}")
    page.get_by_role("button", name="Add hold").click()
    expect(page.get_by_role("row", name="Court order 8")).to_contain_text(case)
    with stack.database.read() as connection:
        assert holds.is_held(connection, case)
