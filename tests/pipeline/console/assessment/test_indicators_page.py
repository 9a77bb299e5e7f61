"""The pages of the indicators."""

import re
from datetime import datetime
from html import unescape
from pathlib import Path
from threading import Event
from time import sleep
from zoneinfo import ZoneInfo

import pytest
from markupsafe import escape
from msgspec.structs import replace

from pipeline.assessment import figure_cases, forms, hazards, measure
from pipeline.assessment.catalogue import INDICATORS
from pipeline.assessment.hazards import Finding
from pipeline.assessment.report import assessments
from pipeline.base.errors import ConfigError
from pipeline.console import background_figures
from pipeline.console.assessment import indicators_page
from pipeline.console.assessment.assessment_pages import last_weeks
from pipeline.console.assessment.indicators_page import AssessmentSteps, AuditAdvice
from pipeline.console.console_texts import Texts
from pipeline.console.services import open_services
from pipeline.contract.speech_status import status_of
from pipeline.review import audit_log
from pipeline.review.cases.case_values import Choice
from pipeline.review.delivery import speech_tallies
from pipeline.review.delivery.speech_tallies import Cell
from pipeline.review.quality.figure import Figure, Window
from pipeline.settings import Settings
from tests.builders import NOON, flag
from tests.pipeline.assessment.tallied import MIDNIGHT_HOUR, tally
from tests.pipeline.console.conftest import Console, Enter
from tests.pipeline.console.servers import words

CHINESE = {"accept-language": "zh-CN"}
CASES = re.compile(r'href="(/assessment/indicators/I-\d\d/cases[^"]+)"')
ROW = re.compile(r"<tr[^>]*>.*?</tr>", re.DOTALL)


def row_of(page: str, text: str) -> str:
    """Return the first table row with a text."""
    return next(row[0] for row in ROW.finditer(page) if text in row[0])


@pytest.fixture
def spoken(console: Console) -> Console:
    """A store with 98 of 100 utterances monitored."""
    hour = MIDNIGHT_HOUR + 1
    with console.database.write() as connection:
        tally(
            connection,
            (Cell(hour, "segmented", room_type="quiz"), 100),
            (Cell(hour, "monitored", room_type="quiz", language="zh"), 98),
        )
    return console


def test_the_table_has_every_indicator_of_operation(spoken: Console, enter: Enter) -> None:
    page = enter("aud").get("/assessment").text
    shown = set(re.findall(r"/assessment/indicators/(I-\d\d)\?", page))
    assert shown == {each.id for each in INDICATORS.values() if "drills" not in each.sources}
    assert "98%" in row_of(page, "Speech coverage")
    assert "the app must send its ledger of rooms" in row_of(page, "Room coverage")
    assert "not measured" in row_of(page, "Room coverage")


def test_test_data_has_its_own_table_with_a_warning(console: Console, enter: Enter) -> None:
    page = enter("aud").get("/assessment?data=test").text
    assert "These figures come from drills" in page
    assert set(re.findall(r"/assessment/indicators/(I-\d\d)\?", page)) == {
        each.id for each in INDICATORS.values() if "drills" in each.sources
    }


def test_an_indicator_has_its_parts_and_its_definition(spoken: Console, enter: Enter) -> None:
    page = enter("aud").get("/assessment/indicators/I-02").text
    assert INDICATORS["I-02"].definition.partition(".")[0] in page
    assert "hourly counts of all speech" in page
    assert "By type of room" in page
    assert "98%" in row_of(page, "quiz")


def test_both_languages(spoken: Console, enter: Enter) -> None:
    aud = enter("aud")
    assert "未测量: 需要应用提供房间台账" in aud.get("/assessment", headers=CHINESE).text
    page = aud.get("/assessment/indicators/I-02", headers=CHINESE).text
    assert INDICATORS["I-02"].formula_zh in page
    assert "按房间类型" in page


def test_every_indicator_opens(enter: Enter) -> None:
    aud = enter("aud")
    for indicator in INDICATORS.values():
        assert escape(indicator.name) in aud.get(f"/assessment/indicators/{indicator.id}").text


def test_an_unknown_indicator_is_not_found(enter: Enter) -> None:
    assert enter("aud").get("/assessment/indicators/I-99").status_code == 404


def test_a_page_tells_while_figures_are_measured(enter: Enter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background_figures, "WAIT_SECONDS", 0.0)
    may = Event()
    whole = measure.measure
    monkeypatch.setattr(measure, "measure", lambda *given: [*whole(*given)] if may.wait(60) else [])
    aud = enter("aud")
    for path in ("/assessment?days=30", "/assessment/indicators/I-02?days=30"):
        page = aud.get(path).text
        assert "The figures are being measured" in page
        assert 'hx-get="/assessment/measuring?days=30&amp;shown=0"' in page
    line = aud.get("/assessment/measuring?days=30")
    assert "Being measured for" in line.text
    assert "hx-refresh" not in line.headers
    may.set()
    for _ in range(600):
        if "hx-refresh" in (line := aud.get("/assessment/measuring?days=30")).headers:
            break
        sleep(0.1)
    assert line.headers["hx-refresh"] == "true"
    assert "Measured 2026-01-01 20:00 Beijing time, 0 s ago." in aud.get("/assessment?days=30").text


def test_a_page_tells_of_newer_figures(console: Console, enter: Enter) -> None:
    aud = enter("aud")
    aud.get("/assessment?days=30")
    with console.database.write() as connection:
        audit_log.append(connection, NOON, "ana", "case.view", "c")
    console.clock.now += 60
    assert aud.post("/assessment/measuring?days=30").headers["hx-refresh"] == "true"
    for _ in range(600):
        line = aud.get(f"/assessment/measuring?days=30&shown={NOON}").text
        if "Show the new figures" in line:
            break
        sleep(0.1)
    assert "Show the new figures" in line
    assert "Measured 2026-01-01 20:00 Beijing time, 1 m ago." in line
    assert "Measured 2026-01-01 20:01 Beijing time, 0 s ago." in aud.get("/assessment?days=30").text


def test_the_table_has_a_line_of_the_last_weeks_once_all_are_measured(console: Console, enter: Enter) -> None:
    week = 7 * 24  # hours
    with console.database.write() as connection:
        for weeks, monitored in ((1, 98), (2, 50)):
            hour = MIDNIGHT_HOUR - weeks * week
            tally(connection, (Cell(hour, "segmented"), 100), (Cell(hour, "monitored", language="zh"), monitored))
    aud = enter("aud")
    for _ in range(600):
        row = row_of(aud.get("/assessment").text, "Speech coverage")
        if "<polyline" in row:
            break
        sleep(0.1)
    # The older value is the lowest one, and the newest stands on top. The weeks before have no data.
    assert '<polyline points="84.5,21 92,3"/><circle cx="92.0" cy="3.0"' in row


def test_weeks_begin_on_monday_in_the_zone_of_the_report() -> None:
    shanghai = ZoneInfo("Asia/Shanghai")
    weeks = last_weeks(datetime(2026, 1, 5, 0, 0, tzinfo=shanghai).timestamp(), shanghai)
    assert len(weeks) == 13
    assert weeks[-1].until == datetime(2026, 1, 5, tzinfo=shanghai).timestamp()
    assert weeks[0].since == datetime(2025, 10, 6, tzinfo=shanghai).timestamp()


def test_the_console_does_not_start_with_a_limit_of_an_unknown_figure(console: Console, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, assessment={"limits": {"I-99.share": 1}})
    with pytest.raises(ConfigError, match="I-99"):
        open_services(settings, console.database)


def test_a_figure_links_to_the_cases_behind_it(console: Console, enter: Enter) -> None:
    first, second = (
        console.store.add([flag(n, at, at + 5)], NOON + at + 6)[0].case for n, at in (("a", -7_200), ("b", -900))
    )
    console.store.decide(first, "ana", Choice(verdict="uphold"), NOON - 7_100)
    aud = enter("aud")
    pages = [aud.get(path).text for path in ("/assessment?days=30", "/assessment/indicators/I-09?days=30")]
    links = {unescape(link) for page in pages for link in CASES.findall(page) if "/I-09/" in link}
    assert any("split=label%3Dviolence" in link for link in links)
    for link in links:
        page = aud.get(link).text
        assert f'href="/cases/{first}"' in page
        assert f'href="/cases/{second}"' not in page


def test_the_list_behind_a_number_has_that_many_cases(console: Console, enter: Enter) -> None:
    found = [
        console.store.add([flag(str(n), -60.0 * (n + 1) * 100, -60.0 * (n + 1) * 100 + 5)], NOON - 30)[0].case
        for n in range(250)
    ]
    for case in found[:20]:
        console.store.decide(case, "ana", Choice(verdict="uphold"), NOON - 10)
    aud = enter("aud")
    row = row_of(aud.get("/assessment/indicators/I-06?days=30").text, "without a decision")
    assert ">230<" in row
    page = aud.get(unescape(CASES.findall(row)[0])).text
    assert "undecided cases: 230 (the first 200)" in page
    assert page.count('href="/cases/') == 200
    page = aud.get("/assessment/indicators/I-09/cases?days=30&key=share").text
    assert "decided cases: 20</h3>" in page
    assert page.count('href="/cases/') == 20


def test_every_list_has_a_name() -> None:
    assert {f"assess.list.{name}" for name in figure_cases.LISTS} <= Texts().catalogue("en").keys()


@pytest.mark.parametrize("query", ["key=share&split=label%3Dnone", "key=nothing", "key=share&split=label"])
def test_a_figure_without_a_list_has_no_page(enter: Enter, query: str) -> None:
    assert enter("aud").get(f"/assessment/indicators/I-02/cases?{query}").status_code == 404


def test_hard_to_hear_lists_the_rooms_with_speech_in_other_languages(console: Console, enter: Enter) -> None:
    path = "/assessment/indicators/I-04"
    assert "No room has speech in other languages." in enter("aud").get(path).text
    heard = flag("a", 0, 30, room="tea <b>", suggestion="pass", flagged=(), hits=())
    other = replace(status_of(flag("b", 60, 90, room="tea <b>"), "skipped", "language"), language="fr")
    console.store.add([heard, other, flag("c", 0, 30, room="lounge")], NOON)
    page = enter("aud").get(path).text
    row = row_of(page, "tea &lt;b&gt;")
    assert ("50.0%" in row, "0.5" in row, 'href="/rooms/tea' in row) == (True, True, True)
    assert "lounge" not in page
    assert "Rooms with the most speech" not in enter("aud").get("/assessment/indicators/I-03").text


def steps_of(console: Console) -> AssessmentSteps:
    with console.database.read() as connection:
        found = indicators_page.steps_of_newest(connection)
    assert found is not None
    return found


def opened(console: Console) -> str:
    with console.database.write() as connection:
        return assessments.open_one(connection, "Autumn", assessments.default_window(NOON), "lea", NOON).id


def test_the_first_step_that_is_not_done_is_the_current_one(console: Console) -> None:
    with console.database.read() as connection:
        assert indicators_page.steps_of_newest(connection) is None
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
    items = re.findall(r'<tr class="group"><td colspan="11">[^<]+ · (5\(\d\))<', page.text)
    assert items == sorted(set(items))
    assert {"5(1)", "5(4)", "5(6)"} <= set(items)
    chinese = auditor.get("/assessment", headers={"accept-language": "zh-CN"}).text
    assert "数据与填报" in chinese
    assert "违法有害信息的防范处置和有关记录保存措施 · 5(4)" in chinese


def test_an_empty_first_window_says_why(console: Console, enter: Enter) -> None:
    aud = enter("aud")
    assert "No speech has been counted yet" in aud.get("/assessment").text
    with console.database.write() as connection:
        speech_tallies.count_batch(connection, [status_of(flag("a", 60, 61), "segmented")], NOON + 62)
    assert "the first figures come after 2026-01-01 21:00" in aud.get("/assessment").text
    console.clock.now = NOON + 3_600
    assert "window is empty" not in aud.get("/assessment").text


def test_without_audits_the_page_says_which_share_to_set(console: Console, enter: Enter) -> None:
    aud, none = enter("aud"), "No passed speech of this window was drawn"
    assert "When flags are upheld, this page shows the share" in aud.get("/assessment").text
    assert none not in aud.get("/assessment?data=test").text
    said = [flag(f"a{n}", n, n + 1, suggestion="pass", flagged=(), hits=()) for n in range(-90, -50)]
    found = console.store.add([flag("b", -120, -119), *said], NOON - 40)[0].case
    console.store.decide(found, "ana", Choice(verdict="uphold"), NOON - 30)
    console.clock.now = NOON + 3_600  # the window ends with a full hour
    page = aud.get("/assessment?days=30").text
    assert f"{none} for audit, so recall (I-12)" in page
    assert "quality.audit_share=1 gives recall to 10 percentage points, with about 55 audits a day" in page
    console.store.add([flag("c", -20, -19, suggestion="pass", flagged=(), hits=())], NOON - 10, ["c"], 0.5)
    assert none not in aud.get("/assessment?days=90").text


def test_a_quarter_of_the_needed_audits_gives_twice_the_width() -> None:
    needed = Figure(indicator="I-12", key="needed", unit="count", value=48_600, n=3_000_000)
    advice = indicators_page.audit_advice([needed], Window(0, 90 * 86_400))
    assert advice == AuditAdvice(0.00405, 135)
    assert indicators_page.audit_advice([replace(needed, value=None)], Window(0, 90 * 86_400)) is None
