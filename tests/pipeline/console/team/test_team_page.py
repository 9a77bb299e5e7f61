"""The team's page: figures, the cases behind them, and golden cases."""

import re
from html import unescape
from typing import Any

import pytest

from pipeline.console.background_figures import TEAM_SECONDS
from pipeline.console.console_app import draw_checks
from pipeline.console.services import open_services
from pipeline.review.accounts import wellness
from pipeline.review.cases import assigning, eligibility
from pipeline.review.cases.case_queue import Ranking
from pipeline.review.cases.eligibility import Skills
from pipeline.review.quality import lead_figures, quality_checks
from pipeline.review.review_store import SqlReviewStore
from pipeline.settings import Quality, Settings
from tests.builders import NOON, flag
from tests.pipeline.console.cases.test_case_decisions import decide, stored, taken
from tests.pipeline.console.conftest import Console, Enter
from tests.pipeline.review.people import sit_down

LINK = re.compile(r'href="(/team/cases[^"]+)"')


def test_every_figure_links_to_its_cases(console: Console, enter: Enter) -> None:
    first, second, _ = stored(console, 3)
    ana = enter("ana")
    decide(ana, first, taken(ana, first))
    taken(ana, second)
    console.clock.now += 7_200
    lea = enter("lea")
    page = lea.get("/team").text
    links = {link.replace("&amp;", "&") for link in LINK.findall(page)}
    assert {link.split("what=")[1].split("&")[0] for link in links} >= {"open", "late", "decided", "held", "overdue"}
    counts = {link: lea.get(link).text.count('<td class="prose" lang=') for link in links}
    assert counts["/team/cases?what=open&severity=1"] == 2
    assert counts["/team/cases?what=late&severity=1"] == 2
    assert counts["/team/cases?what=decided&account=ana"] == 1
    assert counts["/team/cases?what=decided&account=ben"] == 0
    assert counts["/team/cases?what=overdue"] == 0


def test_late_cases_are_assigned_from_the_figure(console: Console, enter: Enter) -> None:
    store = SqlReviewStore(console.database, ranking=Ranking({"violence": 2, "fraud": 1}))
    late = [store.add([flag(f"v{n}", speaker=f"v{n}")], NOON)[0].case for n in range(2)]
    other = store.add([flag("f", speaker="f", flagged=("fraud",), labels={"fraud": 0.9})], NOON)[0].case
    assert 'data-do="move"' not in enter("lea").get("/team").text
    console.clock.now += 7_200
    fresh = store.add([flag("w", 7_190, 7_195, speaker="w")], console.clock.now)[0].case
    lea = enter("lea")
    page = lea.get("/team").text
    links = [unescape(link) for link in re.findall(r'data-do="move" data-href="([^"]+)"', page)]
    assert links == ["/queue/move?severity=high&count=2", "/queue/move?severity=medium&count=1"]
    form = lea.get(links[0]).text
    assert re.search(r'name="count" value="2" min="1" max="3"', form)
    assert "Severity: <bdi>High</bdi>" in form
    moved = lea.post("/queue/move?severity=high", data={"account": "ben", "reason": "workload", "count": "2"})
    assert moved.status_code == 200
    given = {case for case in (*late, other, fresh) if case in enter("ben").get("/queue?view=mine").text}
    assert given == set(late)
    assert fresh in lea.get("/queue?severity=high").text
    assert other not in lea.get("/queue?severity=high").text
    assert lea.get("/queue?severity=2").status_code == 422


@pytest.mark.parametrize("what", lead_figures.WHATS)
def test_every_list_opens(console: Console, enter: Enter, what: str) -> None:
    stored(console)
    assert enter("lea").get(f"/team/cases?what={what}&severity=1&account=ana&label=violence").status_code == 200


def test_both_languages(console: Console, enter: Enter) -> None:
    stored(console)
    lea = enter("lea")
    page = lea.get("/team", headers={"accept-language": "zh-CN"}).text
    assert "预计清空还需" in page
    assert "持续增加" in page
    assert "健康" in lea.get("/wellness", headers={"accept-language": "zh-CN"}).text


def test_an_empty_store(console: Console, enter: Enter) -> None:
    page = enter("lea").get("/team").text
    assert ">Clear<" in page
    assert "No phrase is muted" in page


def test_the_figures_are_kept_for_some_seconds(console: Console, enter: Enter) -> None:
    lea = enter("lea")
    lea.get("/team")
    stored(console)
    assert "0 open" in lea.get("/team").text
    console.clock.now += TEAM_SECONDS
    assert "1 open" in lea.get("/team").text


def test_only_leads_mark_and_unmark_golden_cases(console: Console, enter: Enter) -> None:
    [case] = stored(console)
    ana, lea = enter("ana"), enter("lea")
    assert lea.post(f"/cases/{case}/golden", data={"verdict": "uphold"}).status_code == 409
    decide(ana, case, taken(ana, case))
    assert "Use as golden case: Violation" not in ana.get(f"/cases/{case}").text
    assert "Use as golden case: Violation" in lea.get(f"/cases/{case}").text
    assert ana.post(f"/cases/{case}/golden", data={"verdict": "uphold"}).status_code == 403
    assert lea.post(f"/cases/{case}/golden", data={"verdict": "uphold"}).status_code == 303
    with console.database.read() as connection:
        assert quality_checks.golden_verdict(connection, case) == "uphold"
    assert "No longer golden" in lea.get(f"/cases/{case}").text
    lea.post(f"/cases/{case}/golden")
    with console.database.read() as connection:
        assert quality_checks.golden_verdict(connection, case) is None


def test_the_console_draws_checks(console: Console, enter: Enter) -> None:
    [case] = stored(console)
    ana = enter("ana")
    decide(ana, case, taken(ana, case))
    console.clock.now += 60
    settings = Settings(data_dir=console.evidence.parent, quality=Quality(second_share=1.0))
    draw_checks(open_services(settings, console.database, console.clock))
    assert "data-case" in enter("ben").get("/queue/rows").text
    assert "data-case" not in ana.get("/queue/rows").text


def has(console: Console, name: str) -> Skills:
    with console.database.read() as connection:
        return eligibility.skills_of(connection, name)


def test_a_lead_sets_skills_and_the_page_shows_them(console: Console, enter: Enter) -> None:
    lea = enter("lea")
    given = {"account": "ana", "languages": ["zh", "en"], "labels": ["fraud"], "severity": "1", "escalated": "on"}
    assert lea.post("/skills", data=given).status_code == 303
    assert has(console, "ana") == Skills(languages=("zh", "en"), labels=("fraud",), severity=1, escalated=True)
    assert 'value="fraud" checked' in lea.get("/skills").text
    lea.post("/skills", data={"account": "ana"})
    assert has(console, "ana") == Skills()


def test_the_form_goes_back_to_the_page_that_it_stands_on(enter: Enter) -> None:
    admin = enter("ada")
    assert admin.post("/skills", data={"account": "ana"}).headers["location"] == "/skills"
    back = admin.post("/skills", data={"account": "ana", "then": "accounts"}).headers["location"]
    assert back == "/accounts?name=ana#opened"


@pytest.mark.parametrize(
    "given",
    [
        {"account": "aud"},
        {"account": "nobody"},
        {"account": "ana", "labels": ["unknown"]},
        {"account": "ana", "languages": ["ZH"]},
        {"account": "ana", "severity": "4"},
    ],
)
def test_wrong_skills_are_refused(console: Console, enter: Enter, given: dict[str, Any]) -> None:
    assert enter("lea").post("/skills", data=given).status_code == 422
    assert has(console, "ana") == Skills()


def test_the_page_shows_cases_that_nobody_can_take(console: Console, enter: Enter) -> None:
    console.store.add([flag(str(n), speaker=str(n), language="fr") for n in range(3)], NOON)
    lea = enter("lea")
    assert "Nobody here can take: 3 × fr" in lea.get("/skills/desk").text
    for name in ("ana", "ben", "lea", "ada"):
        lea.post("/skills", data={"account": name, "languages": ["en"]})
    assert "Nobody can take: 3 × fr" in lea.get("/skills/desk").text


def test_the_team_s_page_shows_who_is_here_and_what_they_have(console: Console, enter: Enter) -> None:
    [outcome] = console.store.add([flag("a")], NOON)
    sit_down(console.database, "ana", "ben")
    with console.database.write() as connection:
        assigning.move(connection, [outcome.case], "ana", "lea", "other", NOON, 60.0)
        wellness.start_break(connection, "ben", NOON)
    page = enter("lea").get("/skills/desk").text
    assert "1 here now" in page
    assert 'href="/queue?assigned=ana">1</a>' in page
    assert "on a break" in page
    assert "Nobody" not in page
