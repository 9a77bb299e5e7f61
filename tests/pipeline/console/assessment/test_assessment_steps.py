"""The steps of the newest assessment, and the groups of indicators below them."""

import re

from pipeline.assessment import forms, hazards
from pipeline.assessment.hazards import Finding
from pipeline.assessment.report import assessments
from pipeline.console.assessment import assessment_steps
from pipeline.console.assessment.assessment_steps import AssessmentSteps
from tests.builders import NOON
from tests.pipeline.console.conftest import Console, Enter
from tests.pipeline.console.servers import words


def steps_of(console: Console) -> AssessmentSteps:
    with console.database.read() as connection:
        found = assessment_steps.newest(connection)
    assert found is not None
    return found


def opened(console: Console) -> str:
    with console.database.write() as connection:
        return assessments.open_one(connection, "Autumn", assessments.default_window(NOON), "lea", NOON).id


def test_the_first_step_that_is_not_done_is_the_current_one(console: Console) -> None:
    with console.database.read() as connection:
        assert assessment_steps.newest(connection) is None
    identity = opened(console)
    before = steps_of(console)
    assert dict(before.states()) == {"opened": "done", "forms": "now", "hazards": "done", "final": ""}
    assert before.answered < before.required
    with console.database.write() as connection:
        field = next(one for one in forms.answers(connection, identity) if one.missing and not one.field.choices)
        forms.answer(connection, identity, {field.id: "Mia Lin"}, "lea", NOON)
        finding = Finding(source="person", about="5(4)", title="Slurs are missed", owner="", due=None)
        hazards.find_all(connection, [finding], "lea", NOON)
    after = steps_of(console)
    assert (after.answered, after.required) == (before.answered + 1, before.required)
    assert (after.hazards, after.open_hazards) == (1, 1)
    assert dict(after.states()) == {"opened": "done", "forms": "now", "hazards": "", "final": ""}


def test_the_page_shows_the_steps_and_groups_by_article(console: Console, enter: Enter) -> None:
    auditor = enter("aud")
    assert 'class="steps"' not in auditor.get("/assessment").text
    opened(console)
    page = auditor.get("/assessment")
    assert page.text.count('aria-current="step"') == 1
    assert "Autumn" in words(page)
    assert "0 open of 0" in words(page)
    items = re.findall(r'<tr class="group"><td colspan="10">[^<]+ · (5\(\d\))<', page.text)
    assert items == sorted(set(items))
    assert {"5(1)", "5(4)", "5(6)"} <= set(items)
    chinese = auditor.get("/assessment", headers={"accept-language": "zh-CN"}).text
    assert "数据与填报" in chinese
    assert "违法有害信息的防范处置和有关记录保存措施 · 5(4)" in chinese
