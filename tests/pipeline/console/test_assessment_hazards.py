"""The page of hazards."""

from pipeline.assessment import hazards
from pipeline.assessment.hazards import Finding, Hazard
from tests.builders import NOON
from tests.pipeline.console.conftest import Console, Enter

PROOF = {"scan": "rota.pdf", "sha256": "cd" * 32}
NEW = {"about": "5(4).patrol", "title": "No patrol at night", "owner": "ben", "due": "2026-01-31"}


def stored(console: Console) -> list[Hazard]:
    with console.database.read() as connection:
        return hazards.all_of(connection)


def test_a_lead_records_assigns_fixes_and_closes_a_hazard(console: Console, enter: Enter) -> None:
    lea = enter("lea")
    assert lea.post("/assessment/hazards", data=NEW).status_code == 303
    assert lea.post("/assessment/hazards", data=NEW).status_code == 409
    [hazard] = stored(console)
    assert (hazard.title, hazard.owner, hazard.due, hazard.source) == (NEW["title"], "ben", "2026-01-31", "person")
    path = f"/assessment/hazards/{hazard.id}"
    assert lea.post(f"{path}/assign", data={"owner": "ana", "due": ""}).status_code == 303
    assert lea.post(f"{path}/close", data={"note": "too early"} | PROOF).status_code == 409
    assert lea.post(f"{path}/fix", data={"note": "two more moderators"}).status_code == 303
    assert lea.post(f"{path}/close", data={"note": "checked"}).status_code == 422
    assert lea.post(f"{path}/close", data={"note": "checked", "scan": "rota.pdf"}).status_code == 422
    assert lea.post(f"{path}/close", data={"note": "checked"} | PROOF).status_code == 303
    assert lea.post(f"{path}/reopen", data={"note": "it came back"}).status_code == 303
    [hazard] = stored(console)
    assert [step.state for step in hazard.steps] == ["open", "open", "fixed", "closed", "open"]
    page = lea.get("/assessment/hazards").text
    assert "rota.pdf" in page
    assert "it came back" in page
    assert lea.post("/assessment/hazards/00/fix", data={"note": "x"}).status_code == 404


def test_an_auditor_can_only_read(console: Console, enter: Enter) -> None:
    enter("lea").post("/assessment/hazards", data=NEW)
    page = enter("aud").get("/assessment/hazards").text
    assert "No patrol at night" in page
    assert '<form method="post" action="/assessment' not in page


def test_figures_that_miss_their_limit_become_hazards_and_are_checked_again(console: Console, enter: Enter) -> None:
    """The console has no limits, so nothing is found; a fixed hazard stays fixed without a figure."""
    lea = enter("lea")
    assert lea.post("/assessment/hazards/find").status_code == 303
    assert stored(console) == []
    finding = Finding(source="threshold", about="I-06.in_time", title="late")
    with console.database.write() as connection:
        [hazard] = hazards.find_all(connection, [finding], "lea", NOON - 7_000)
        hazards.fix(connection, hazard.id, "more people", "lea", NOON - 5_000)
    assert lea.post(f"/assessment/hazards/{hazard.id}/recheck").status_code == 409
    console.clock.now = NOON - 4_900
    assert lea.post(f"/assessment/hazards/{hazard.id}/recheck").status_code == 422
