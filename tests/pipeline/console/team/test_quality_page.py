"""The page of quality: figures with their tables and cases, too few data, one label, CSV."""

import csv
import io
import re

import pytest

from pipeline.console import console_metrics
from pipeline.console.services import open_services
from pipeline.review.cases.case_values import Choice
from pipeline.review.evidence.evidence_store import EvidenceFolder
from pipeline.review.quality import agreement_figures, drawing, quality_checks
from pipeline.review.quality.drawing import Shares
from pipeline.review.quality.trends import PERIODS, QualityQuestion
from pipeline.settings import Settings
from tests.builders import NOON, flag
from tests.pipeline.console.cases.test_case_decisions import decide, stored, taken
from tests.pipeline.console.conftest import Console, Enter

HOUR, DAY = 3_600.0, 86_400.0
LINK = re.compile(r'href="(/team/cases[^"]+)"')


def decided(console: Console, upheld: int, dismissed: int, label: str = "violence") -> None:
    """Store and decide cases of a label, an hour apart from now."""
    verdicts = ["uphold"] * upheld + ["dismiss"] * dismissed
    flags = [flag(f"{label}{n}", n * 10, n * 10 + 5, flagged=(label,), speaker=label) for n in range(len(verdicts))]
    cases = [outcome.case for outcome in console.store.add(flags, NOON)]
    for case, verdict in zip(cases, verdicts, strict=True):
        console.store.decide(case, "ana", Choice(verdict=verdict), NOON + 60)  # type: ignore[arg-type]
    console.clock.now = NOON + HOUR


@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_an_empty_store(console: Console, enter: Enter, period: str, language: str) -> None:
    page = enter("lea").get(f"/quality?period={period}", headers={"accept-language": language})
    assert page.status_code == 200
    assert page.text.count("<details") == 5, "one for each chart"
    assert not re.search(r"\bnan\b", page.text.lower()), "letters within the random token of the page do not count"


def test_a_label_below_thirty_cases_is_said_and_not_drawn(console: Console, enter: Enter) -> None:
    decided(console, 28, 2)
    decided(console, 3, 2, "fraud")
    page = enter("lea").get("/quality?period=day").text
    assert page.count("n = 5: shown from 30") == 2, "in the chart and in its table"
    assert "93%" in page
    assert agreement_figures.ENOUGH == 30


def test_a_figure_links_to_its_cases(console: Console, enter: Enter) -> None:
    decided(console, 28, 2)
    lea = enter("lea")
    links = {link.replace("&amp;", "&") for link in LINK.findall(lea.get("/quality?period=day").text)}
    assert "/team/cases?what=upheld&label=violence" in links
    for link in links:
        assert lea.get(link).status_code == 200
    assert lea.get("/team/cases?what=dismissed&label=violence").text.count('<td class="prose" lang=') == 2


def test_one_label_counts_alone(console: Console, enter: Enter) -> None:
    decided(console, 30, 0)
    decided(console, 0, 30, "fraud")
    lea = enter("lea")
    rows = list(csv.DictReader(io.StringIO(lea.get("/quality/figures.csv?period=day&label=fraud").text)))
    assert {(row["period"], row["label"]) for row in rows} == {("day", "fraud")}
    flow = {row["figure"]: int(row["value"]) for row in rows if row["from"] == "2026-01-01T12:00:00Z" and row["to"]}
    assert flow["arrived"] == 30
    assert [row["value"] for row in rows if row["figure"] == "precision"] == ["0.0"]


def test_the_csv_has_every_bucket(console: Console, enter: Enter) -> None:
    stored(console)
    for period, (_, count) in PERIODS.items():
        answer = enter("lea").get(f"/quality/figures.csv?period={period}")
        assert answer.headers["content-type"].startswith("text/csv")
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        assert sum(row["figure"] == "arrived" for row in rows) == count
        assert sum(row["figure"] == "kappa_week" for row in rows) == 12


def test_the_month_is_measured_before_anybody_asks(console: Console) -> None:
    services = open_services(Settings(data_dir=console.evidence.parent), console.database, console.clock)
    console_metrics.quality(services)
    job = services.background.quality._jobs[QualityQuestion()]
    assert job.future.result(60) is None
    assert services.background.quality.look(QualityQuestion()).kept is not None
    services.background.close()


def drawn(console: Console) -> str:
    """Draw the next check and return its case."""
    console.clock.now += 60
    with console.database.write() as connection:
        [copy] = drawing.draw(connection, EvidenceFolder(console.evidence), console.clock(), Shares(1.0, 0.0), 10)
    return copy


def test_a_dispute_is_hidden_until_it_is_settled(console: Console, enter: Enter) -> None:
    [case] = stored(console)
    ana, ben, lea, ada = (enter(name) for name in ("ana", "ben", "lea", "ada"))
    decide(ana, case, taken(ana, case))
    for client in (ben, lea):
        assert "0 of your decisions were checked" in ana.get("/quality/feedback").text
        copy = drawn(console)
        waits = {name: "Two opinions differ" in enter(name).get("/inbox").text for name in ("ana", "ben", "lea", "aud")}
        assert waits == {"ana": False, "ben": False, "lea": client is lea, "aud": False}
        assert lea.get("/inbox/due").json()["count"] == (client is lea)
        hidden = ada.get("/quality/adjudication").text
        assert ("Nothing waits for a third opinion" in hidden) == (client is ben)
        assert "opinion right" not in hidden
        assert re.search(r"ana|ben", hidden.partition("<main")[2].partition("</main>")[0]) is None
        assert decide(client, copy, taken(client, copy), verdict="dismiss", note="Banter.").status_code == 200
    settled = ada.get("/quality/adjudication").text
    assert settled.count('class="opinion right"') == 2
    assert settled.count('class="opinion"') == 1
    assert "Threatening a person with harm" in settled
    told = ana.get("/quality/feedback").text
    assert "1 of your decisions were checked; 1 differ." in told
    assert (f'href="/cases/{case}"' in told, "Banter." in told) == (True, True)
    assert re.search(r"\blea\b", told) is None
    assert "Banter." not in ben.get("/quality/feedback").text
    assert ana.get("/quality/adjudication").status_code == 403


def test_leads_make_a_golden_case_from_a_proposal_and_retire_it(console: Console, enter: Enter) -> None:
    [case] = stored(console)
    ana, ben, lea = (enter(name) for name in ("ana", "ben", "lea"))
    decide(ana, case, taken(ana, case))
    copy = drawn(console)
    decide(ben, copy, taken(ben, copy))
    page = lea.get("/quality/golden").text
    assert "No golden cases" in page
    assert page.count(f'action="/cases/{case}/golden"') == 1
    marked = lea.post(f"/cases/{case}/golden", data={"verdict": "uphold", "then": "list"})
    assert marked.headers["location"] == "/quality/golden"
    with console.database.read() as connection:
        assert quality_checks.golden_verdict(connection, case) == "uphold"
    assert "not answered yet" in lea.get("/quality/golden").text
    lea.post(f"/cases/{case}/golden", data={"then": "list"})
    with console.database.read() as connection:
        assert quality_checks.golden_verdict(connection, case) is None
    assert ana.get("/quality/golden").status_code == 403


def test_both_languages(console: Console, enter: Enter) -> None:
    lea = enter("lea")
    for path, text in (("golden", "标准案件"), ("adjudication", "裁定"), ("feedback", "给您的反馈")):
        assert text in lea.get(f"/quality/{path}", headers={"accept-language": "zh-CN"}).text
