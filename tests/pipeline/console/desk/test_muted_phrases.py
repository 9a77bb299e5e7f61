"""Muting a phrase from the page: a moderator asks, a lead approves, an undo takes it back."""

import httpx

from pipeline.judge import reasons
from pipeline.review.cases import phrase_muting
from pipeline.review.cases.phrase_muting import MutedPhrase
from tests.pipeline.console.conftest import Console, Enter
from tests.pipeline.console.desk.test_case_actions import decide, stored, taken

TERM = {"label": "violence", "term": "弄死你"}
WHY = (reasons.of_term("violence", "弄死你", "high", "review"),)


def muted(console: Console) -> list[MutedPhrase]:
    with console.database.read() as connection:
        return phrase_muting.everywhere(connection, console.clock())


def dismissed(console: Console, by: httpx.Client) -> tuple[str, str]:
    """Return a dismissed case, and the page that tells of it."""
    [case] = stored(console, reasons=WHY)
    return case, decide(by, case, taken(by, case), verdict="dismiss").text


def test_a_moderator_asks_and_a_lead_approves(console: Console, enter: Enter) -> None:
    ana, lea = enter("ana"), enter("lea")
    case, told = dismissed(console, ana)
    assert "Ask a lead to mute here for 24 h" in told
    assert "Asked a lead" in ana.post(f"/cases/{case}/mute", data=TERM).text
    [wish] = muted(console)
    assert (wish.asked_by, wish.approved_at) == ("ana", None)
    assert ana.post(f"/phrases/{wish.id}/approve").status_code == 403
    assert lea.post(f"/phrases/{wish.id}/approve").headers["location"] == "/team#phrases"
    assert muted(console)[0].approved_by == "lea"
    assert lea.post(f"/phrases/{wish.id}/end").status_code == 303
    assert muted(console) == []
    assert lea.post(f"/phrases/{wish.id}/end").status_code == 404


def test_a_lead_mutes_at_once_and_the_case_shows_it(console: Console, enter: Enter) -> None:
    lea = enter("lea")
    case, told = dismissed(console, lea)
    assert "Mute here for 24 h" in told
    lea.post(f"/cases/{case}/mute", data=TERM)
    assert muted(console)[0].approved_by == "lea"
    assert "Muted here" in lea.get(f"/cases/{case}").text
    lea.post("/undo")
    assert muted(console) == []


def test_a_violation_and_other_causes_offer_nothing(console: Console, enter: Enter) -> None:
    ana = enter("ana")
    [case] = stored(console)
    assert "24 h" not in decide(ana, case, taken(ana, case), verdict="dismiss").text
    assert ana.post(f"/cases/{case}/mute", data=TERM).status_code == 409
