"""The page of hazards."""

from threading import Event

import pytest

from pipeline.assessment import drills, hazards, measure
from pipeline.assessment.drill_speech import DrillLine
from pipeline.assessment.hazards import Hazard
from pipeline.console.assessment import hazards_page
from pipeline.review.quality.figure import Figure
from tests.builders import flag
from tests.pipeline.console.conftest import Console, Enter

PROOF = {"scan": "rota.pdf", "sha256": "cd" * 32}
NEW = {"about": "5(4).patrol", "title": "No patrol at night", "owner": "ben", "due": "2026-01-31"}


def stored(console: Console) -> list[Hazard]:
    with console.database.read() as connection:
        return hazards.all_hazards(connection)


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
    assert '<form method="post" hx-boost' not in page


def measured(monkeypatch: pytest.MonkeyPatch, value: float) -> None:
    """Let each window have one figure, with the limit 0.95."""
    met = value >= 0.95
    monkeypatch.setattr(
        measure,
        "measure",
        lambda *_: [Figure(indicator="I-06", key="in_time", unit="share", value=value, n=9, threshold=0.95, met=met)],
    )


def test_a_figure_that_misses_its_limit_is_a_hazard_until_it_keeps_it(
    console: Console, enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured(monkeypatch, 0.5)
    lea = enter("lea")
    assert lea.post("/assessment/hazards/find").status_code == 303
    [hazard] = stored(console)
    assert (hazard.about, hazard.state) == ("I-06.in_time", "open")
    path = f"/assessment/hazards/{hazard.id}"
    lea.post(f"{path}/fix", data={"note": "two more moderators"})
    assert lea.post(f"{path}/recheck").status_code == 422
    console.clock.now += 2 * 3_600
    lea = enter("lea")  # the session has ended
    assert lea.post(f"{path}/recheck").status_code == 409
    measured(monkeypatch, 0.99)
    console.clock.now += 600
    lea.post(f"{path}/assign", data={"owner": "ana"})  # the store changes, so the figures are measured again
    assert lea.post(f"{path}/recheck").status_code == 303
    [hazard] = stored(console)
    assert hazard.state == "closed"
    assert "I-06.in_time</a>: 0.99" in lea.get("/assessment/hazards").text


def test_without_limits_nothing_is_found(console: Console, enter: Enter) -> None:
    assert enter("lea").post("/assessment/hazards/find").status_code == 303
    assert stored(console) == []


def test_an_action_does_not_wait_for_ever_for_figures(enter: Enter, monkeypatch: pytest.MonkeyPatch) -> None:
    may = Event()
    monkeypatch.setattr(measure, "measure", lambda *_: [] * may.wait(60))
    monkeypatch.setattr(hazards_page, "MEASURE_SECONDS", 0.1)
    lea = enter("lea")
    assert lea.post("/assessment/hazards/find").status_code == 503
    may.set()
    monkeypatch.setattr(hazards_page, "MEASURE_SECONDS", 60.0)
    assert lea.post("/assessment/hazards/find").status_code == 303


def test_a_failed_drill_is_a_hazard_until_a_later_one_goes_right(console: Console, enter: Enter) -> None:
    def held(suggestion: str) -> None:
        with console.database.write() as connection:
            drill, rooms = drills.begin(
                connection, [DrillLine("zh-fraud-1", "zh", "fraud", "x")], "lea", console.clock.now
            )
        said = flag(drill.id, 4, 5, room=next(iter(rooms)), speaker="drill", drill=drill.id, suggestion=suggestion)
        console.store.add([said], console.clock.now)
        with console.database.write() as connection:
            drills.end(connection, drill.id, "lea", console.clock.now)

    lea = enter("lea")
    held("pass")
    lea.post("/assessment/hazards/find")
    [hazard] = stored(console)
    assert (hazard.source, hazard.about) == ("drill", "5(4).drill zh fraud")
    path = f"/assessment/hazards/{hazard.id}"
    lea.post(f"{path}/fix", data={"note": "new terms"})
    assert lea.post(f"{path}/recheck").status_code == 409
    console.clock.now += 60
    held("block")
    assert lea.post(f"{path}/recheck").status_code == 303
    assert stored(console)[0].state == "closed"
