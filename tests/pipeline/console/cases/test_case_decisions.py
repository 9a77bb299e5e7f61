"""The requests that the page sends when a moderator acts."""

import re

import httpx
import pytest

from pipeline.judge import verdict
from pipeline.review import audit_log
from pipeline.review.cases import phrase_muting
from pipeline.review.cases.case_queue import TARGETS
from pipeline.review.cases.phrase_muting import MutedPhrase
from tests.builders import NOON, flag
from tests.pipeline.console.conftest import Console, Enter

LEASE = re.compile(r'id="lease-id" value="([^"]+)"')


def stored(console: Console, count: int = 1, **changes: object) -> list[str]:
    flags = [flag(str(n), n * 10, n * 10 + 5, **changes) for n in range(count)]
    return [outcome.case for outcome in console.store.add(flags, NOON)]


def taken(client: httpx.Client, case: str) -> str:
    """Take a case and return the lease; empty if another moderator holds the case."""
    page = client.post(f"/cases/{case}/open")
    assert page.status_code == 200
    found = LEASE.search(page.text)
    return found[1] if found else ""


def decide(client: httpx.Client, case: str, lease: str, version: int | str = 1, **fields: str) -> httpx.Response:
    form = {"lease": lease, "version": str(version), "verdict": "uphold"} | fields
    return client.post(f"/cases/{case}/decision", data=form)


def test_open_decide_undo(console: Console, enter: Enter) -> None:
    [case] = stored(console)
    ana = enter("ana")
    decided = decide(ana, case, taken(ana, case), label="hate", reason="wrong_label", action="mute", note="说明")
    assert decided.status_code == 200
    assert decided.headers["hx-trigger"] == f'{{"decided": {{"cases": ["{case}"], "verdict": "uphold"}}}}'
    file = console.store.case(case)
    assert (file.case.status, file.decisions[0].label, file.decisions[0].note) == ("decided", "hate", "说明")
    assert ana.post("/undo").status_code == 200
    assert console.store.case(case).case.status == "pending"
    with console.database.read() as connection:
        actions = [line.action for line in audit_log.all_lines(connection, after=5)]
    assert actions == ["case.claim", "case.decide", "case.undo"]


def test_a_decision_whose_answer_was_lost_is_sent_again_and_stored_once(console: Console, enter: Enter) -> None:
    [case] = stored(console)
    ana = enter("ana")
    lease = taken(ana, case)
    answers = [decide(ana, case, lease, note="clear") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].headers["hx-trigger"] == answers[1].headers["hx-trigger"]
    assert len(console.store.case(case).decisions) == 1
    assert decide(ana, case, lease, note="another one").status_code == 409


def test_a_decided_case_shows_its_linked_flags(console: Console, enter: Enter) -> None:
    [case] = stored(console)
    ana = enter("ana")
    decide(ana, case, taken(ana, case))
    console.store.add([flag("again", 0.1, 5.2, text="还有一次")], NOON)
    page = ana.get(f"/cases/{case}").text
    said, again = page.split("Flagged again after the decision", 1)
    assert "还有一次" not in said
    assert "还有一次" in again
    with console.database.read() as connection:
        assert [line.subject for line in audit_log.newest_lines(connection, actor="deliver")] == [case]


def test_an_old_version_is_refused_and_the_version_that_the_person_sees_is_taken(
    console: Console, enter: Enter
) -> None:
    [case] = stored(console)
    ana = enter("ana")
    lease = taken(ana, case)
    console.store.add([flag("more", 4, 8, text="还有更多")], NOON)
    refused = decide(ana, case, lease)
    assert refused.status_code == 409
    assert "还有更多" in refused.text
    assert "the case changed while you were reading" in refused.text
    [version] = re.findall(r'id="case-version" value="(\d+)"', refused.text)
    found = LEASE.search(ana.post(f"/cases/{case}/retake").text)
    assert found is not None
    assert decide(ana, case, found[1], version).status_code == 200


def test_a_decision_names_who_has_the_case_now(console: Console, enter: Enter) -> None:
    [case] = stored(console)
    ana, ben = enter("ana"), enter("ben")
    lease = taken(ana, case)
    console.clock.now += 301
    hers = taken(ben, case)
    assert "ben has this case now" in decide(ana, case, lease).text
    assert decide(ben, case, hers).status_code == 200
    assert "ben decided this case meanwhile" in decide(ana, case, lease).text


@pytest.mark.parametrize(("by", "count"), [("speaker", 3), ("room", 3), ("phrase", 3)])
def test_similar_cases_are_decided_and_undone_together(console: Console, enter: Enter, by: str, count: int) -> None:
    cases = stored(console, 3)
    console.store.add([flag("x", 0, 5, room="elsewhere", speaker="bob", hits=())], NOON)
    ana = enter("ana")
    shown = ana.get(f"/cases/{cases[0]}/like?by={by}").text
    assert f"{count} similar cases" in shown
    form = {"by": by, "seen": shown.partition('name="seen" value="')[2][:64], "verdict": "dismiss"}
    [later] = console.store.add([flag("later", 70, 75)], NOON)
    assert ana.post(f"/cases/{cases[0]}/like", data=form).status_code == 409, "there is one more similar case by now"
    assert console.store.case(later.case).case.status == "pending"
    form["seen"] = ana.get(f"/cases/{cases[0]}/like?by={by}").text.partition('name="seen" value="')[2][:64]
    assert ana.post(f"/cases/{cases[0]}/like", data=form).status_code == 200
    assert {console.store.case(case).case.status for case in cases} == {"decided"}
    assert ana.post("/undo").status_code == 200
    assert {console.store.case(case).case.status for case in cases} == {"pending"}


def test_the_decisions_before_the_last_one_can_be_undone_within_their_time(console: Console, enter: Enter) -> None:
    first, second, third = stored(console, 3)
    ana = enter("ana")
    for one, given, seconds in ((first, "uphold", 7), (second, "dismiss", 3), (third, "uphold", 1)):
        decide(ana, one, taken(ana, one), verdict=given)
        console.clock.now += seconds
    answer = ana.post("/undo").text
    assert ("Undone: 1" in answer, 'data-seconds="6.0"' in answer, "No violation" in answer) == (True, True, True)
    answer = ana.post("/undo").text
    assert 'hx-post="/undo"' not in answer, "the time of the first decision is over"
    assert [console.store.case(one).case.status for one in (first, second, third)] == [
        "decided",
        "pending",
        "pending",
    ]
    assert ana.post("/undo").status_code == 409


def test_no_undo_after_the_window(console: Console, enter: Enter) -> None:
    [case] = stored(console)
    ana = enter("ana")
    decide(ana, case, taken(ana, case))
    console.clock.now += 11
    assert ana.post("/undo").status_code == 409


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"verdict": "maybe"}, 422),
        ({"version": "0"}, 422),
        ({"note": "x" * 4_001}, 422),
        ({"note": "a\x00b"}, 422),
        ({"reason": "DROP TABLE"}, 422),
        *(({"action": action}, 422) for action in ("ban", "warn:60", "mute:0", "mute:x", "mute:123456789")),
        ({"label": "nonsense"}, 409),
        ({"reason": "nonsense"}, 409),
    ],
)
def test_invalid_fields_and_unknown_names_are_refused(
    console: Console, enter: Enter, fields: dict[str, str], status: int
) -> None:
    [case] = stored(console)
    ana = enter("ana")
    assert decide(ana, case, taken(ana, case), **fields).status_code == status
    assert console.store.case(case).decisions == ()


def test_the_proposed_measure_is_chosen_and_named_and_the_person_can_change_it(console: Console, enter: Enter) -> None:
    first, second = stored(console, 2)
    ana = enter("ana")
    page = ana.post(f"/cases/{first}/open").text
    assert '<option value="warn" selected>Warn</option>' in page
    assert "A moderator found" not in page, "ann speaks Chinese"
    assert "审核员认定您在本房间的发言违规" in page
    lease = LEASE.search(page)
    assert lease
    decide(ana, first, lease[1], action="mute:3600")
    [decision] = console.store.case(first).decisions
    assert (decision.action, decision.duration_seconds, decision.strikes) == ("mute", 3_600, 1)
    assert "禁言 1 小时" in decision.notice
    page = ana.post(f"/cases/{second}/open").text
    assert '<option value="mute:3600" selected>Mute 1 h</option>' in page


def test_an_action_counts_only_with_the_verdict_uphold(console: Console, enter: Enter) -> None:
    [case] = stored(console)
    ana = enter("ana")
    assert decide(ana, case, taken(ana, case), verdict="dismiss", action="mute:3600").status_code == 200
    [decision] = console.store.case(case).decisions
    assert (decision.action, decision.duration_seconds, decision.strikes, decision.notice) == (None, None, None, "")


def test_another_label_proposes_its_own_measure(console: Console, enter: Enter) -> None:
    [case] = stored(console)
    page = enter("ana").get(f"/cases/{case}/proposal?label=fraud").text
    assert '<option value="warn" selected>' in page
    assert enter("ana").get("/cases/0/proposal").status_code == 404


def test_a_lead_replaces_a_decision_and_reopens_the_case(console: Console, enter: Enter) -> None:
    [case] = stored(console, 1)
    ana, lea = enter("ana"), enter("lea")
    decide(ana, case, taken(ana, case))
    console.clock.now = NOON + 3_600
    page = lea.get(f"/cases/{case}").text
    [version] = set(re.findall(r'name="version" value="(\d+)"', page))
    body = {"verdict": "dismiss", "reason": "joke", "version": version}
    assert lea.post(f"/cases/{case}/correct", data=body).status_code == 204
    assert console.store.case(case).case.verdict == "dismiss"
    assert lea.post(f"/cases/{case}/correct", data=body).status_code == 409, "the case has changed"
    reopened = lea.post(f"/cases/{case}/reopen", data={"reason": "unsure", "version": int(version) + 1})
    assert (reopened.status_code, reopened.headers["hx-redirect"]) == (204, f"/cases/{case}")
    found = console.store.case(case).case
    assert (found.status, found.due_at - NOON) == ("pending", 3_600 + TARGETS[found.severity])


def test_only_leads_see_the_form_and_it_needs_a_known_reason(console: Console, enter: Enter) -> None:
    [case] = stored(console, 1)
    ana, lea = enter("ana"), enter("lea")
    decide(ana, case, taken(ana, case))
    assert 'id="correct"' not in ana.get(f"/cases/{case}").text
    assert 'id="correct"' in lea.get(f"/cases/{case}").text
    assert "更正结论" in lea.get(f"/cases/{case}", headers={"accept-language": "zh-CN"}).text
    body = {"verdict": "dismiss", "reason": "joke", "version": 2}
    assert ana.post(f"/cases/{case}/correct", data=body).status_code == 403
    assert lea.post(f"/cases/{case}/correct", data=body | {"reason": "nonsense"}).status_code == 409
    assert lea.post(f"/cases/{case}/reopen", data={"reason": "", "version": 2}).status_code == 422


TERM = {"label": "violence", "term": "弄死你"}
WHY = (verdict.of_term("violence", "弄死你", "high", "review"),)


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
