"""Moderators take cases and leave them; leads move cases with the form of the page."""

import re

import pytest

from pipeline.review.cases import assigning, eligibility, leases
from pipeline.review.cases.case_values import Choice
from pipeline.review.cases.eligibility import Skills
from tests.builders import NOON, flag
from tests.pipeline.console.cases.test_case_decisions import LEASE, decide, stored, taken
from tests.pipeline.console.conftest import Console, Enter
from tests.pipeline.review.people import sit_down

ROW = re.compile(r'data-case="([0-9a-f-]+)"')
UNDO = re.compile(r'hx-post="(/moves/[0-9a-f-]+/undo)"')


def of_labels(console: Console, *labels: str) -> list[str]:
    """Store one case of each label, one second apart."""
    said = [flag(str(n), speaker=str(n), flagged=(label,), hits=()) for n, label in enumerate(labels)]
    return [console.store.add([each], NOON + n)[0].case for n, each in enumerate(said)]


def owners(console: Console, cases: list[str]) -> list[str]:
    with console.database.read() as connection:
        found = assigning.owners(connection, cases)
    return [found.get(case, "") for case in cases]


def rows(enter: Enter, name: str, query: str = "") -> list[str]:
    return ROW.findall(enter(name).get(f"/queue/rows{query}").text)


def test_a_lead_moves_the_first_cases_of_a_filter_and_takes_it_back(console: Console, enter: Enter) -> None:
    cases = of_labels(console, "fraud", "abuse", "fraud", "fraud")
    sit_down(console.database, "ana", "ben")
    lea = enter("lea")
    form = lea.get("/queue/move?label=fraud").text
    assert 'max="3"' in form
    assert '<option value="ana">ana · here · has 0</option>' in form
    answer = lea.post("/queue/move?label=fraud", data={"account": "ana", "count": "2", "reason": "language"})
    assert answer.headers["hx-trigger"] == "moved"
    assert "2 cases moved to" in answer.text
    assert owners(console, cases) == ["ana", "", "ana", ""]
    assert "has 2" in lea.get("/queue/move").text
    assert rows(enter, "ana") == [cases[0], cases[2], cases[1], cases[3]]
    assert rows(enter, "ben") == [cases[1], cases[3]]
    [undo] = UNDO.findall(answer.text)
    assert "Undone: 2 cases" in lea.post(undo).text
    assert owners(console, cases) == [""] * 4
    assert lea.post(undo).status_code == 409


def test_a_lead_assigns_one_case(console: Console, enter: Enter) -> None:
    first, second = of_labels(console, "abuse", "abuse")
    lea = enter("lea")
    assert 'name="count"' not in lea.get(f"/queue/move?case={second}").text
    lea.post(f"/queue/move?case={second}", data={"account": "ben", "reason": "expertise"})
    assert owners(console, [first, second]) == ["", "ben"]
    assert lea.get("/queue/move?case=0").status_code == 404


def test_cases_that_a_person_may_not_get_stay(console: Console, enter: Enter) -> None:
    cases = of_labels(console, "abuse")
    with console.database.write() as connection:
        eligibility.change_skills(connection, "ana", Skills(labels=("fraud",)), "lea", NOON)
    answer = enter("lea").post("/queue/move", data={"account": "ana", "count": "1", "reason": "other"})
    assert "None of these cases can go to" in answer.text
    assert UNDO.findall(answer.text) == []
    assert owners(console, cases) == [""]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        ({"account": "aud", "reason": "other"}, 409),
        ({"account": "nobody", "reason": "other"}, 409),
        ({"account": "ana", "reason": "spite"}, 422),
        ({"account": "ana", "reason": "other", "count": "0"}, 422),
        ({"account": "ana", "reason": "other", "count": "201"}, 422),
        ({"account": "ana\x00", "reason": "other"}, 422),
    ],
)
def test_wrong_forms_are_refused(console: Console, enter: Enter, data: dict[str, str], status: int) -> None:
    of_labels(console, "abuse")
    assert enter("lea").post("/queue/move", data=data).status_code == status


def test_views_show_parts_of_the_queue(console: Console, enter: Enter) -> None:
    mine, free, escalated = of_labels(console, "abuse", "abuse", "abuse")
    enter("lea").post(f"/queue/move?case={mine}", data={"account": "ana", "reason": "other"})
    with console.database.write() as connection:
        eligibility.change_skills(connection, "ana", Skills(escalated=True), "lea", NOON)
    console.store.decide(escalated, "ben", Choice(verdict="escalate"), NOON)
    assert rows(enter, "ana", "?view=mine") == [mine]
    assert rows(enter, "ana", "?view=unassigned") == [free, escalated]
    assert rows(enter, "ana", "?view=escalated") == [escalated]
    assert rows(enter, "ana") == [mine, free, escalated]
    assert rows(enter, "ben", "?view=escalated") == []
    assert rows(enter, "lea", "?assigned=ana") == [mine]
    assert enter("ana").get("/queue/rows?view=others").status_code == 422


def test_a_second_moderator_may_look_but_not_decide(console: Console, enter: Enter) -> None:
    [case] = stored(console)
    lease = taken(enter("ana"), case)
    ben = enter("ben")
    page = ben.post(f"/cases/{case}/open")
    assert "ana holds this case" in page.text
    assert decide(ben, case, lease).status_code == 409
    assert console.store.case(case).decisions == ()


def test_a_lease_that_ended_can_be_taken_again(console: Console, enter: Enter) -> None:
    [case] = stored(console)
    ana, ben = enter("ana"), enter("ben")
    lease = taken(ana, case)
    console.clock.now += 301
    ben.post(f"/cases/{case}/skip", data={"lease": taken(ben, case)})
    assert "Nobody has this case now" in decide(ana, case, lease).text
    assert ana.post(f"/cases/{case}/retake").headers["hx-trigger"] == f'{{"retaken": {{"cases": ["{case}"]}}}}'


def test_two_tabs_of_one_person_have_the_same_lease(console: Console, enter: Enter) -> None:
    [case] = stored(console)
    ana = enter("ana")
    lease = taken(ana, case)
    console.clock.now += 60
    assert taken(ana, case) == lease
    assert ana.post(f"/leases/{lease}/renew").status_code == 200
    assert decide(ana, case, lease).status_code == 200


def test_another_tab_does_not_take_the_lease_away_unless_it_is_wanted(console: Console, enter: Enter) -> None:
    first, second = stored(console, 2)
    ana = enter("ana")
    lease = taken(ana, first)
    shown = ana.post(f"/cases/{second}/open")
    assert "You hold another case in another tab" in shown.text
    assert 'data-instead="yes"' in shown.text
    assert LEASE.search(shown.text) is None
    assert ana.post(f"/leases/{lease}/renew").status_code == 200
    assert LEASE.search(ana.post(f"/cases/{second}/open", data={"instead": "yes"}).text)
    assert ana.post(f"/leases/{lease}/renew", data={"case": first}).json() == {"holder": ""}


def test_the_tab_that_holds_a_case_moves_on_to_the_next(console: Console, enter: Enter) -> None:
    first, second = stored(console, 2)
    ana = enter("ana")
    lease = taken(ana, first)
    assert LEASE.search(ana.post(f"/cases/{second}/open", data={"leaving": lease}).text)
    with console.database.read() as connection:
        assert leases.holders(connection, NOON) == {second: "ana"}


def test_a_lease_is_renewed_until_another_moderator_takes_the_case(console: Console, enter: Enter) -> None:
    [case] = stored(console)
    ana, ben = enter("ana"), enter("ben")
    lease = taken(ana, case)
    assert ana.post(f"/leases/{lease}/renew").json() == {"expires_at": NOON + 300, "seconds": 300}
    console.clock.now += 301
    assert taken(ben, case)
    refused = ana.post(f"/leases/{lease}/renew", data={"case": case})
    assert (refused.status_code, refused.json()) == (409, {"holder": "ben"})
