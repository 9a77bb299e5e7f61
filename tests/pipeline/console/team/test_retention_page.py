"""The page of retention: rules, holds and erasures."""

import pytest

from pipeline.base.errors import Missing
from pipeline.review.privacy import erasure, holds
from tests.builders import NOON, flag
from tests.pipeline.console.conftest import Console, Enter


def exists(console: Console, case: str) -> bool:
    try:
        console.store.case(case)
    except Missing:
        return False
    return True


def test_a_lead_places_a_hold_and_releases_it(console: Console, enter: Enter) -> None:
    lea = enter("lea")
    form = {"kind": "room", "subject": "lobby", "reason": "court order 7"}
    assert lea.post("/keeping/holds", data=form).status_code == 303
    with console.database.read() as connection:
        [hold] = holds.active(connection)
    assert (hold.kind, hold.subject, hold.reason, hold.placed_by) == ("room", "lobby", "court order 7", "lea")
    assert "court order 7" in lea.get("/keeping").text
    assert lea.post(f"/keeping/holds/{hold.id}/release").status_code == 303
    assert "court order 7" not in lea.get("/keeping").text
    assert lea.post(f"/keeping/holds/{hold.id}/release").status_code == 404


def test_an_admin_erases_a_speaker_after_entering_the_id_twice(console: Console, enter: Enter) -> None:
    case = console.store.add([flag("a", -10, -5)], NOON)[0].case
    ada = enter("ada")
    differs = ada.post("/keeping/erasures", data={"speaker": "ann", "again": "anna"}, follow_redirects=True)
    assert "The two ids differ" in differs.text
    assert exists(console, case)
    assert ada.post("/keeping/erasures", data={"speaker": "ann", "again": "ann"}).status_code == 303
    assert not exists(console, case)
    with console.database.read() as connection:
        assert [request.speaker for request in erasure.requests(connection)] == ["ann"]


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the retention job run in another process. A test names this fixture before `console`."""
    monkeypatch.setenv("VOXWARDEN_RETENTION__IN_CONSOLE", "false")


def test_an_erasure_waits_for_a_retention_job_elsewhere(elsewhere: None, console: Console, enter: Enter) -> None:
    del elsewhere
    case = console.store.add([flag("a", -10, -5)], NOON)[0].case
    assert enter("ada").post("/keeping/erasures", data={"speaker": "ann", "again": "ann"}).status_code == 303
    assert exists(console, case)
    with console.database.read() as connection:
        assert [request.speaker for request in erasure.requests(connection)] == ["ann"]
