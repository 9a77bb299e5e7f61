"""Leads set the skills of people."""

from typing import Any

import pytest

from pipeline.review.accounts import skills, wellness
from pipeline.review.accounts.skills import Skills
from pipeline.review.cases import assigning
from tests.builders import NOON, flag
from tests.pipeline.console.conftest import Console, Enter
from tests.pipeline.review.people import sit_down


def has(console: Console, name: str) -> Skills:
    with console.database.read() as connection:
        return skills.skills_of(connection, name)


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
