"""The page of quality: figures with their tables and cases, too few data, one label, CSV."""

import csv
import io
import re

import pytest

from pipeline.console import console_metrics
from pipeline.console.app import open_services
from pipeline.review.cases.values import Choice
from pipeline.review.quality import agreement_figures
from pipeline.review.quality.trends import PERIODS, QualityQuestion
from pipeline.settings import Settings
from tests.builders import NOON, flag
from tests.pipeline.console.conftest import Console, Enter
from tests.pipeline.console.desk.test_case_actions import stored

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
    assert page.text.count("<details") == 6, "one for each chart"
    assert "nan" not in page.text.lower().replace("finance", "")


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
    assert lea.get("/team/cases?what=dismissed&label=violence").text.count("<td lang=") == 2


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
    job = services.measured.quality._jobs[QualityQuestion()]
    assert job.future.result(60) is None
    assert services.measured.quality.look(QualityQuestion()).kept is not None
    services.measured.close()


def test_only_leads_see_it(enter: Enter) -> None:
    assert enter("ana").get("/quality").status_code == 403
    assert enter("lea").get("/quality?period=year").status_code == 422
