"""The wellness page: meter, limits, breaks, hidden transcripts."""

import re

import httpx
import pytest

from pipeline.console.wellness_page import LATER
from pipeline.review.cases import leases
from pipeline.review.cases.case_queue import Ranking
from pipeline.review.evidence.evidence_store import EvidenceFolder
from pipeline.review.quality import drawing
from pipeline.review.quality.drawing import Shares
from pipeline.review.review_store import SqlReviewStore
from tests.builders import NOON, flag
from tests.pipeline.console.cases.test_case_decisions import decide, stored, taken
from tests.pipeline.console.conftest import Console, Enter

LIMITS = {"break_minutes": "50", "break_severe": "20", "most_minutes": "240", "most_severe": "100"}


def severe(console: Console, count: int = 1) -> list[str]:
    store = SqlReviewStore(console.database, ranking=Ranking({"violence": 2}))
    return [store.add([flag(str(n), n * 10, n * 10 + 5)], NOON)[0].case for n in range(count)]


def test_the_meter_counts_the_player_s_reports(console: Console, enter: Enter) -> None:
    [case] = severe(console)
    ana = enter("ana")
    decide(ana, case, taken(ana, case))
    for _ in range(4):
        assert ana.post("/wellness/listened", data={"seconds": "30"}).status_code == 204
    assert "2 min of listening, 1 severe" in ana.get("/wellness/meter").text
    assert "0 min of listening, 0 severe" in enter("ben").get("/wellness/meter").text


def test_a_break_says_why_it_is_proposed(console: Console, enter: Enter) -> None:
    [case] = severe(console)
    ana = enter("ana")
    decide(ana, case, taken(ana, case))
    ana.post("/wellness/comfort", data=LIMITS | {"break_severe": "1"})
    for page in ("/wellness", "/wellness/meter"):
        shown = ana.get(page).text
        assert "Severe cases since your last break: 1." in shown
        assert "Minutes since your last break" not in shown


@pytest.mark.parametrize("seconds", ["0", "-1", "121", "nan", "inf", "x"])
def test_invalid_seconds_are_not_counted(enter: Enter, seconds: str) -> None:
    ana = enter("ana")
    assert ana.post("/wellness/listened", data={"seconds": seconds}).status_code == 422
    assert "0 min" in ana.get("/wellness/meter").text


def test_limits_hold_for_one_person_only(console: Console, enter: Enter) -> None:
    one, two = severe(console, 2)
    ana = enter("ana")
    decide(ana, one, taken(ana, one))
    assert ana.post("/wellness/comfort", data=LIMITS | {"most_severe": "1"}).status_code == 303
    assert two not in ana.get("/queue").text
    assert "data-case" not in ana.post("/next").text
    assert two in enter("ben").get("/queue").text
    team = enter("lea").get("/team").text
    assert team.count("over a limit") == 1
    assert "min ·" not in team


def test_excluded_labels_go_to_other_moderators(console: Console, enter: Enter) -> None:
    [case] = stored(console)
    ana = enter("ana")
    ana.post("/wellness/comfort", data=LIMITS | {"without": "violence"})
    assert case not in ana.get("/queue/rows").text
    assert case in enter("ben").get("/queue/rows").text
    assert ana.post("/wellness/comfort", data=LIMITS | {"without": "nonsense"}).status_code == 422


def test_no_case_above_the_limit_of_minutes(console: Console, enter: Enter) -> None:
    [case] = stored(console)
    ana = enter("ana")
    ana.post("/wellness/comfort", data=LIMITS | {"most_minutes": "5"})
    for _ in range(3):
        ana.post("/wellness/listened", data={"seconds": "100"})
    assert "You have listened for 5 minutes" in ana.post(f"/cases/{case}/open").text
    assert "You have listened for 5 minutes" in ana.post("/next").text
    with console.database.read() as connection:
        assert leases.lease_of(connection, case) is None


def test_a_break_reserves_the_case(console: Console, enter: Enter) -> None:
    [case] = stored(console)
    ana, ben = enter("ana"), enter("ben")
    lease = taken(ana, case)
    assert ana.post("/wellness/break", data={"on": "yes"}).headers["location"] == "/wellness"
    console.clock.now += 900
    assert "on a break" in ana.get("/wellness").text
    assert taken(ben, case) == ""
    ana.post("/wellness/break", data={"on": "no"})
    assert decide(ana, case, lease).status_code == 200


def test_taking_a_case_ends_the_break(console: Console, enter: Enter) -> None:
    [case] = stored(console)
    ana = enter("ana")
    ana.post("/wellness/break")
    assert taken(ana, case)
    assert "on a break" not in ana.get("/wellness/meter").text


def test_a_step_takes_no_case_during_a_break(console: Console, enter: Enter) -> None:
    [case] = stored(console)
    ana = enter("ana")
    ana.post("/wellness/break")
    stepped = ana.post(f"/cases/{case}/open", data={"step": "yes"})
    assert (stepped.status_code, stepped.text, stepped.headers["hx-trigger"]) == (204, "", '{"resting": {"cases": []}}')
    assert "on a break" in ana.get("/wellness/meter").text
    ana.post("/wellness/break", data={"on": "no"})
    assert "data-lease" in ana.post(f"/cases/{case}/open", data={"step": "yes"}).text


def test_what_is_more_severe_than_the_case_stays_covered_around_it(console: Console, enter: Enter) -> None:
    said = (("mild", "abuse", "review"), ("threat", "violence", "review"), ("child", "minor_safety", "block"))
    store = SqlReviewStore(console.database, ranking=Ranking({"abuse": 1, "violence": 2, "minor_safety": 3}))
    flags = [
        flag(text, n * 10, n * 10 + 3, speaker=text, text=f"{text} words", flagged=(label,), suggestion=suggestion)
        for n, (text, label, suggestion) in enumerate(said)
    ]
    mild, threat, child = [outcome.case for outcome in store.add(flags, NOON)]
    ana = enter("ana")
    for cover in ("off", "on"):
        ana.post("/wellness/comfort", data=LIMITS | {"cover": cover})
        for case, covered in ((mild, ["threat", "child"]), (threat, ["child"]), (child, [])):
            page = ana.get(f"/cases/{case}", headers={"hx-request": "true"}).text
            turns = [turn.partition("</div>")[0] for turn in page.split('<div class="turn ')[1:]]
            hidden = [text for text, *_ in said for turn in turns if f"{text} words" in turn and "<details" in turn]
            assert hidden == (covered if cover == "on" else [])


def test_a_severe_case_is_hidden_until_a_key(console: Console, enter: Enter) -> None:
    [case] = severe(console)
    ana = enter("ana")
    assert '<details class="cover">' not in ana.get(f"/cases/{case}").text
    ana.post("/wellness/comfort", data=LIMITS | {"cover": "on", "soften": "on"})
    page = ana.get(f"/cases/{case}", headers={"hx-request": "true"}).text
    assert '<details class="cover"><summary data-do="reveal">Threats and violence, 5 characters, hidden.' in page
    assert "Covered, 5 characters" in ana.get("/queue/rows").text


def test_nobody_can_take_a_check_of_their_own_decision(console: Console, enter: Enter) -> None:

    [case] = stored(console)
    ana, ben = enter("ana"), enter("ben")
    decide(ana, case, taken(ana, case))
    with console.database.write() as connection:
        [copy] = drawing.draw(connection, EvidenceFolder(console.evidence), NOON + 60, Shares(1.0, 0.0), 10)
    assert copy not in ana.get("/queue/rows").text
    assert taken(ana, copy) == ""
    page = ben.post(f"/cases/{copy}/open").text
    assert 'id="lease-id"' in page
    # The page does not show ben that ana decided it before.
    assert case not in page
    assert not re.search(r"\bana\b", page)


def test_a_person_puts_the_break_off_for_ten_minutes(console: Console, enter: Enter) -> None:
    [case] = severe(console)
    ana, elsewhere = enter("ana"), enter("ana")
    decide(ana, case, taken(ana, case))
    ana.post("/wellness/comfort", data=LIMITS | {"break_severe": "1"})

    def proposed(client: httpx.Client) -> bool:
        [banner] = re.findall(r'<form id="break-banner"[^>]*>', client.get("/wellness/meter").text)
        return "hidden" not in banner

    assert (proposed(ana), proposed(elsewhere)) == (True, True)
    assert "In 10 min" in ana.get("/wellness/meter").text
    later = ana.post("/wellness/later")
    assert "Max-Age=600" in later.headers["set-cookie"]
    assert (proposed(ana), proposed(elsewhere)) == (False, True)
    ana.cookies.delete(LATER)  # as the browser does after ten minutes
    assert proposed(ana)
    ana.post("/wellness/break")
    assert "In 10 min" not in ana.get("/wellness/meter").text
