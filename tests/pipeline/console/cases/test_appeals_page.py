"""The pages of appeals, and reports on the case page, in both languages."""

import pytest

from pipeline.review import audit_log
from pipeline.review.cases import appeals, deciding, user_reports
from pipeline.review.cases.case_queue import Ranking
from pipeline.review.cases.case_values import Choice
from pipeline.review.cases.user_reports import Complaint
from tests.builders import NOON, flag
from tests.pipeline.console.conftest import Console, Enter

XSS = "<script>alert(1)</script>"


def lodged(console: Console, statement: str = "it was a joke", decider: str = "ana") -> tuple[str, str]:
    """Lodge an appeal. Return the ids of the appeal and of its case."""
    case = console.store.add([flag("a", 0, 5)], NOON)[0].case
    with console.database.write() as connection:
        deciding.decide(connection, case, decider, Choice(verdict="uphold", action="mute", reason="confirmed"), NOON)
        appeal, _ = appeals.lodge(connection, case, "ann", statement, NOON + 60, 10.0)
    console.clock.now = NOON + 90
    return appeal.id, case


def state(console: Console, appeal: str) -> str:
    with console.database.read() as connection:
        return appeals.get_appeal(connection, appeal).state


def test_an_appeal_is_listed_settled_and_undone(console: Console, enter: Enter) -> None:
    appeal, case = lodged(console)
    ben = enter("ben")
    assert f'href="/appeals/{appeal}" data-do="next"' in ben.get("/appeals").text
    shown = ben.get(f"/appeals/{appeal}").text
    assert all(
        part in shown for part in ("it was a joke", "弄死你", f'hx-post="/appeals/{appeal}"', "Reverse decision")
    )
    settled = ben.post(f"/appeals/{appeal}", data={"verdict": "dismiss", "reason": "joke", "note": "说明"})
    assert (settled.status_code, settled.headers["hx-redirect"]) == (204, "/appeals")
    assert (state(console, appeal), console.store.case(case).case.verdict) == ("overturned", "dismiss")
    console.clock.now += 4
    shown = ben.get("/appeals").text
    assert ("Decision reversed." in shown, 'data-seconds="6.0"' in shown) == (True, True)
    assert ben.post("/appeals/undo").headers["hx-redirect"] == "/appeals"
    assert (state(console, appeal), console.store.case(case).case.verdict) == ("open", "uphold")
    assert ben.post("/appeals/undo").status_code == 409
    with console.database.read() as connection:
        actions = [line.action for line in audit_log.all_lines(connection, after=5)]
    assert actions == ["case.decide", "appeal.lodge", "appeal.view", "appeal.settle", "case.undo"]


def test_the_first_decider_sees_the_appeal_but_cannot_settle_it(console: Console, enter: Enter) -> None:
    appeal, _ = lodged(console)
    ana = enter("ana")
    assert "not yours" in ana.get("/appeals").text
    page = ana.get(f"/appeals/{appeal}").text
    assert "Another person must settle" in page
    assert f'hx-post="/appeals/{appeal}"' not in page
    refused = ana.post(f"/appeals/{appeal}", data={"verdict": "uphold"}, headers={"hx-request": "true"})
    assert refused.status_code == 403
    assert "You decided this case before" in refused.text
    assert state(console, appeal) == "open"


def test_an_admin_who_decided_cannot_settle_it(console: Console, enter: Enter) -> None:
    appeal, _ = lodged(console, decider="ada")
    assert enter("ada").post(f"/appeals/{appeal}", data={"verdict": "dismiss"}).status_code == 403


def test_the_second_reviewer_gets_a_conflict(console: Console, enter: Enter) -> None:
    appeal, _ = lodged(console)
    assert enter("ben").post(f"/appeals/{appeal}", data={"verdict": "uphold"}).status_code == 204
    assert enter("lea").post(f"/appeals/{appeal}", data={"verdict": "dismiss"}).status_code == 409
    assert state(console, appeal) == "upheld"


@pytest.mark.parametrize("form", [{}, {"verdict": "escalate"}, {"verdict": "uphold", "reason": "Nonsense"}])
def test_invalid_settlements_are_refused(console: Console, enter: Enter, form: dict[str, str]) -> None:
    appeal, _ = lodged(console)
    assert enter("ben").post(f"/appeals/{appeal}", data=form).status_code == 422


def test_the_pages_escape_users_texts(console: Console, enter: Enter) -> None:
    appeal, _ = lodged(console, XSS)
    with console.database.write() as connection:
        complaint = Complaint(room=XSS, speaker=XSS, reporter=XSS, text=XSS, at=NOON)
        report, _ = user_reports.file(connection, complaint, NOON, Ranking({}), 180.0)
    ben = enter("ben")
    for path in ("/appeals", f"/appeals/{appeal}", f"/cases/{report.case}", "/queue"):
        page = ben.get(path)
        assert page.status_code == 200
        assert XSS not in page.text


def test_a_reported_case_shows_its_reports_and_can_be_taken(console: Console, enter: Enter) -> None:
    with console.database.write() as connection:
        complaint = Complaint(room="lobby", speaker="bob", reporter="cy", text="he insults us", at=NOON)
        report, _ = user_reports.file(connection, complaint, NOON, Ranking({}), 180.0)
    ben = enter("ben")
    assert "user report" in ben.get("/queue").text
    page = ben.post(f"/cases/{report.case}/open").text
    assert all(part in page for part in ("User reports", "he insults us", "cy", "The audio arrives in a few seconds."))
    assert "part_policy" not in page  # a case without a label has no rule to show
    console.clock.now += 5 * 3_600
    ben = enter("ben")  # the session has ended
    page = ben.get(f"/cases/{report.case}").text
    assert ("The audio is late: 5 h so far." in page, "in a few seconds" in page) == (True, False)
    stale = ben.post(f"/cases/{report.case}/decision", data={"lease": "0", "version": "1", "verdict": "uphold"})
    assert stale.status_code == 409


def test_the_pages_in_chinese(console: Console, enter: Enter) -> None:
    appeal, _ = lodged(console)
    ben = enter("ben")
    ben.headers["accept-language"] = "zh-CN"
    assert "处理申诉" in ben.get(f"/appeals/{appeal}").text
    assert "待处理" in ben.get("/appeals").text
    lea = enter("lea")
    lea.headers["accept-language"] = "zh-CN"
    assert "依法保全" in lea.get("/keeping").text
