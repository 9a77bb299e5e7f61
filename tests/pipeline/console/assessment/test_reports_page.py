"""The pages of the reports."""

import json
import re
from base64 import b64encode
from hashlib import sha256
from io import BytesIO
from threading import Event
from unittest.mock import Mock
from zipfile import ZipFile

import pytest

from pipeline.assessment import forms
from pipeline.assessment.report import assessments, gather, pdf
from pipeline.base import signing
from pipeline.console import background_figures
from pipeline.console.assessment import reports_page
from tests.builders import NOON
from tests.pipeline.assessment.report import stored
from tests.pipeline.console.conftest import Console, Enter

DAY = 86_400.0
SURE = {"sure": "yes", "open_reason": stored.WHY}


def opened(console: Console, enter: Enter) -> str:
    """Open an assessment of a store with data, by the page, and return its path."""
    stored.fill(console.database)
    console.clock.now = NOON + 2 * DAY
    form = {"title": "Harbour", "since": "2025-12-31", "until": "2026-01-02"}
    answer = enter("lea").post("/assessment/reports", data=form)
    assert answer.status_code == 303
    return answer.headers["location"]


def test_a_lead_opens_an_assessment_and_sees_what_it_lacks(console: Console, enter: Enter) -> None:
    path = opened(console, enter)
    lea = enter("lea")
    page = lea.get(path).text
    assert "2025-12-31 00:00 – 2026-01-03 00:00" in page
    assert "Triggers to decide: 1" in page
    assert "Hazards that are not closed: 1" in page
    assert "Make the report final" in page
    assert path in lea.get("/assessment/reports").text
    with console.database.read() as connection:
        given = {each.id: each.text for each in forms.answers(connection, path.rsplit("/", 1)[1])}
    assert given["service_name"] == "Harbour"
    assert lea.post(f"{path}/final", data={"sure": "yes"}).status_code == 409
    assert lea.post(f"{path}/final").status_code == 422
    no_key = lea.get(f"{path}/bundle.zip")
    assert no_key.status_code == 422
    assert "assessment.key cannot be read" in no_key.text


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"title": " "}, "title"),
        ({"title": "Harbour", "since": "2025-12-31"}, "until"),
        ({"title": "Harbour", "until": "2025-12-31"}, "since"),
        ({"title": "Harbour", "since": "2026-03-01", "until": "2026-03-02"}, "since"),
    ],
)
def test_a_refused_assessment_has_its_reason_beside_the_field(
    console: Console, enter: Enter, form: dict[str, str], field: str
) -> None:
    refused = enter("lea").post("/assessment/reports", data=form)
    assert (refused.status_code, re.findall(r'id="wrong-(\w+)"', refused.text)) == (422, [field])
    assert all(f'value="{typed}"' in refused.text for typed in form.values())
    with console.database.read() as connection:
        assert assessments.all_assessments(connection) == []


def test_the_preview_loads_nothing_but_its_own_style(console: Console, enter: Enter) -> None:
    path = opened(console, enter)
    for language, title in (("zh", "安全评估报告"), ("en", "Security assessment report")):
        answer = enter("aud").get(f"{path}/report.{language}.html")
        assert title in answer.text
        [css] = re.findall("<style>(.*?)</style>", answer.text, re.DOTALL)
        digest = b64encode(sha256(css.encode()).digest()).decode()
        policy = answer.headers["content-security-policy"]
        assert f"style-src 'sha256-{digest}'" in policy
        assert "default-src 'none'" in policy
        assert "style=" not in answer.text


def test_a_final_report_has_its_files_and_its_anchor(
    console: Console, enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdf, "render", lambda page: b"%PDF " + page.encode()[:15])  # the real one takes seconds
    path = opened(console, enter)
    identity = path.rpartition("/")[2]
    stored.answer(console.database, identity)
    lea = enter("lea")
    assert enter("aud").post(f"{path}/final", data={"sure": "yes"}).status_code == 403
    assert "Why the report is final" in lea.get(path).text
    assert lea.post(f"{path}/final", data={"sure": "yes"}).status_code == 409, "a hazard is open"
    assert lea.post(f"{path}/final", data=SURE).status_code == 303
    assert lea.post(f"{path}/final", data={"sure": "yes"}).status_code == 409
    with console.database.read() as connection:
        found = assessments.find(connection, identity)
    page = enter("aud").get(path).text
    assert found.sha256
    assert found.sha256 in page
    assert "Anchor in the audit log" in page
    assert json.loads(lea.get(f"{path}/files/report.json").content)["id"] == identity
    assert lea.get(f"{path}/files/figures.csv").text.count("I-02") > 0
    assert "-- I-02\n" in lea.get(f"{path}/files/queries.sql").text
    answer = lea.get(f"{path}/files/report.zh.pdf")
    assert (answer.content, answer.headers["content-type"]) == (b"%PDF <!doctype html>"[:20], "application/pdf")
    assert lea.get(f"{path}/files/other.txt").status_code == 422
    signing.make_key(console.evidence.parent / "assessment.key")
    answer = lea.get(f"{path}/bundle.zip")
    assert f'filename="assessment-{identity}.zip"' in answer.headers["content-disposition"]
    assert "report.json" in ZipFile(BytesIO(answer.content)).namelist()
    assert "assessment.bundle" in lea.get("/audit").text


def test_a_final_form_cannot_be_changed(console: Console, enter: Enter) -> None:
    path = opened(console, enter)
    identity = path.rpartition("/")[2]
    stored.answer(console.database, identity)
    lea = enter("lea")
    lea.post(f"{path}/final", data=SURE)
    assert "hx-post" not in lea.get(f"/assessment/forms/{identity}").text
    assert lea.post(f"/assessment/forms/{identity}/service_name", data={"text": "x"}).status_code == 409


def test_a_draft_that_takes_long_says_so(console: Console, enter: Enter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background_figures, "WAIT_SECONDS", 0.0)
    monkeypatch.setattr(reports_page, "FINISH_SECONDS", 0.0)
    may, whole = Event(), gather.measure
    monkeypatch.setattr(gather, "measure", lambda *given: whole(*given) if may.wait(60) else None)
    path = opened(console, enter)
    identity = path.rpartition("/")[2]
    stored.answer(console.database, identity)
    lea = enter("lea")
    assert f'hx-get="/assessment/measuring/{identity}?&amp;shown=0"' in lea.get(path).text
    for file in ("report.en.html", "files/report.json"):
        page = lea.get(f"{path}/{file}").text
        assert "The report is being measured" in page
        assert 'http-equiv="refresh"' in page
    assert lea.post(f"{path}/final", data={"sure": "yes"}).status_code == 503
    may.set()
    monkeypatch.setattr(reports_page, "FINISH_SECONDS", 60.0)
    assert lea.post(f"{path}/final", data=SURE).status_code == 303


def test_a_draft_is_measured_once_and_has_the_newest_answers(
    console: Console, enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = opened(console, enter)
    spy = Mock(side_effect=gather.measure)
    monkeypatch.setattr(gather, "measure", spy)
    lea = enter("lea")
    for field, name in (("function_name", "First"), ("function_description", "Second")):
        lea.post(f"/assessment/forms/{path.rpartition('/')[2]}/{field}", data={"text": f"{name} name"})
        assert f"{name} name" in lea.get(f"{path}/report.en.html").text
    assert spy.call_count == 1
