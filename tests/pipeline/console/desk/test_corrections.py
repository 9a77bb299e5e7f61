"""Leads correct decided cases on the page of the case."""

import re

from pipeline.review.cases.ranking import TARGETS
from tests.builders import NOON
from tests.pipeline.console.conftest import Console, Enter
from tests.pipeline.console.desk.test_case_actions import decide, stored, taken


def test_a_lead_replaces_a_decision_and_reopens_the_case(console: Console, enter: Enter) -> None:
    [case] = stored(console, 1)
    ana, lea = enter("ana"), enter("lea")
    decide(ana, case, taken(ana, case))
    console.clock.now = NOON + 3_600
    page = lea.get(f"/cases/{case}").text
    [version] = set(re.findall(r'name="version" value="(\d+)"', page))
    body = {"verdict": "dismiss", "reason": "joke", "version": version}
    assert lea.post(f"/cases/{case}/correct", data=body).status_code == 303
    assert console.store.case(case).case.verdict == "dismiss"
    assert lea.post(f"/cases/{case}/correct", data=body).status_code == 409, "the case has changed"
    reopened = lea.post(f"/cases/{case}/reopen", data={"reason": "unsure", "version": int(version) + 1})
    assert (reopened.status_code, reopened.headers["location"]) == (303, f"/cases/{case}")
    found = console.store.case(case).case
    assert (found.status, found.due_at - NOON) == ("pending", 3_600 + TARGETS[found.severity])


def test_only_leads_see_the_form_and_it_needs_a_known_reason(console: Console, enter: Enter) -> None:
    [case] = stored(console, 1)
    ana, lea = enter("ana"), enter("lea")
    decide(ana, case, taken(ana, case))
    assert 'id="correct"' not in ana.get(f"/cases/{case}").text
    assert 'id="correct"' in lea.get(f"/cases/{case}").text
    assert "更正结论" in lea.get(f"/cases/{case}", headers={"accept-language": "zh-CN"}).text
    body = {"verdict": "dismiss", "reason": "joke", "version": 2}
    assert ana.post(f"/cases/{case}/correct", data=body).status_code == 403
    assert lea.post(f"/cases/{case}/correct", data=body | {"reason": "nonsense"}).status_code == 409
    assert lea.post(f"/cases/{case}/reopen", data={"reason": "", "version": 2}).status_code == 422
