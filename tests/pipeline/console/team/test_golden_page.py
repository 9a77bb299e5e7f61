"""Pages of golden cases, adjudication and feedback: what each person sees, and when."""

import re

from pipeline.review.evidence.evidence_store import EvidenceFolder
from pipeline.review.quality import drawing, quality_checks
from pipeline.review.quality.drawing import Shares
from tests.pipeline.console.conftest import Console, Enter
from tests.pipeline.console.desk.test_case_actions import decide, stored, taken


def drawn(console: Console) -> str:
    """Draw the next check and return its case."""
    console.clock.now += 60
    with console.database.write() as connection:
        [copy] = drawing.draw(connection, EvidenceFolder(console.evidence), console.clock(), Shares(1.0, 0.0), 10)
    return copy


def test_a_dispute_is_hidden_until_it_is_settled(console: Console, enter: Enter) -> None:
    [case] = stored(console)
    ana, ben, lea, ada = (enter(name) for name in ("ana", "ben", "lea", "ada"))
    decide(ana, case, taken(ana, case))
    for client in (ben, lea):
        assert "0 of your decisions were checked" in ana.get("/quality/feedback").text
        copy = drawn(console)
        waits = {name: "Two opinions differ" in enter(name).get("/inbox").text for name in ("ana", "ben", "lea", "aud")}
        assert waits == {"ana": False, "ben": False, "lea": client is lea, "aud": False}
        assert lea.get("/inbox/due").json()["count"] == (client is lea)
        hidden = ada.get("/quality/adjudication").text
        assert ("Nothing waits for a third opinion" in hidden) == (client is ben)
        assert "opinion right" not in hidden
        assert re.search(r"ana|ben", hidden.partition("<main")[2].partition("</main>")[0]) is None
        assert decide(client, copy, taken(client, copy), verdict="dismiss", note="Banter.").status_code == 200
    settled = ada.get("/quality/adjudication").text
    assert settled.count('class="opinion right"') == 2
    assert settled.count('class="opinion"') == 1
    assert "Threatening a person with harm" in settled
    told = ana.get("/quality/feedback").text
    assert "1 of your decisions were checked; 1 differ." in told
    assert (f'href="/cases/{case}"' in told, "Banter." in told) == (True, True)
    assert re.search(r"\blea\b", told) is None
    assert "Banter." not in ben.get("/quality/feedback").text
    assert ana.get("/quality/adjudication").status_code == 403


def test_leads_make_a_golden_case_from_a_proposal_and_retire_it(console: Console, enter: Enter) -> None:
    [case] = stored(console)
    ana, ben, lea = (enter(name) for name in ("ana", "ben", "lea"))
    decide(ana, case, taken(ana, case))
    copy = drawn(console)
    decide(ben, copy, taken(ben, copy))
    page = lea.get("/quality/golden").text
    assert "No golden cases" in page
    assert page.count(f'action="/cases/{case}/golden"') == 1
    marked = lea.post(f"/cases/{case}/golden", data={"verdict": "uphold", "then": "list"})
    assert marked.headers["location"] == "/quality/golden"
    with console.database.read() as connection:
        assert quality_checks.golden_verdict(connection, case) == "uphold"
    assert "not answered yet" in lea.get("/quality/golden").text
    lea.post(f"/cases/{case}/golden", data={"then": "list"})
    with console.database.read() as connection:
        assert quality_checks.golden_verdict(connection, case) is None
    assert ana.get("/quality/golden").status_code == 403


def test_both_languages(console: Console, enter: Enter) -> None:
    lea = enter("lea")
    for path, text in (("golden", "标准案件"), ("adjudication", "裁定"), ("feedback", "给您的反馈")):
        assert text in lea.get(f"/quality/{path}", headers={"accept-language": "zh-CN"}).text
