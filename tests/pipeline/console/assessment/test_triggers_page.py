"""The page of the cases of article 3."""

from hashlib import sha256

import httpx
import pytest

from pipeline.assessment import triggers, workdays
from pipeline.assessment.triggers import Signal, Trigger
from pipeline.console.assessment.triggers_page import MAX_MIB, MAX_NAME
from tests.builders import NOON, flag
from tests.pipeline.console.conftest import Console, Enter

NOTICE = {"authority": "市网信办", "day": "2025-12-30", "scan": "notice.pdf", "sha256": "ab" * 32}


def suggested(console: Console) -> Trigger:
    signal = Signal("3.1", "room_type:quiz", {"first_seen_at": NOON - 60})
    with console.database.write() as connection:
        [found] = triggers.suggest(connection, [signal], workdays.calendar(), NOON)
    return found


def stored(console: Console) -> list[Trigger]:
    with console.database.read() as connection:
        return triggers.all_triggers(connection)


def test_a_lead_decides_a_trigger_with_a_reason(console: Console, enter: Enter) -> None:
    trigger = suggested(console)
    lea = enter("lea")
    page = lea.get("/assessment/triggers").text
    assert "New room type: quiz" in page
    assert "Due before the launch" in page
    path = f"/assessment/triggers/{trigger.id}"
    assert lea.post(path, data={"answer": "reject"}).status_code == 422
    assert lea.post(path, data={"answer": "reject", "reason": " "}).status_code == 422
    assert lea.post(path, data={"answer": "reject", "reason": "a rename"}).status_code == 303
    [found] = stored(console)
    assert (found.state, found.reason, found.decided_by) == ("rejected", "a rename", "lea")
    assert "a rename" in lea.get("/assessment/triggers").text
    assert lea.post(path, data={"answer": "accept", "reason": "again"}).status_code == 409
    assert lea.post("/assessment/triggers/3.1-00", data={"answer": "accept", "reason": "x"}).status_code == 404


def test_a_lead_enters_a_written_notice(console: Console, enter: Enter) -> None:
    lea = enter("lea")
    assert lea.post("/assessment/triggers", data=NOTICE | {"sha256": "ab"}).status_code == 422
    assert lea.post("/assessment/triggers", data=NOTICE | {"day": "2026-02-01"}).status_code == 422
    assert lea.post("/assessment/triggers", data=NOTICE).status_code == 303
    [found] = stored(console)
    assert (found.clause, found.detail["authority"], found.detail["scan"]["path"]) == ("3.5", "市网信办", "notice.pdf")
    assert lea.post("/assessment/triggers", data=NOTICE).status_code == 409
    assert "市网信办" in lea.get("/assessment/triggers").text
    assert f"Due {found.due}" in lea.get("/assessment/triggers").text


def test_an_auditor_reads_and_a_moderator_sees_no_link(console: Console, enter: Enter) -> None:
    suggested(console)
    page = enter("aud").get("/assessment/triggers").text
    assert "New room type: quiz" in page
    assert "<textarea" not in page
    assert "/assessment" not in enter("ana").get("/queue").text


def test_the_cases_of_a_trigger_are_links(console: Console, enter: Enter) -> None:
    signal = Signal("3.4", "late_illegal_cases", {"day": "2025-12-31", "n": 1, "cases": ["c1-c2"]}, "2025-12-31")
    with console.database.write() as connection:
        triggers.suggest(connection, [signal], workdays.calendar(), NOON)
    page = enter("aud").get("/assessment/triggers", headers={"accept-language": "zh-CN"}).text
    assert 'href="/cases/c1-c2"' in page
    assert "第三条第（四）项" in page


def test_a_lead_can_look_for_signals_now(console: Console, enter: Enter) -> None:
    console.store.add([flag("a", -60, -57, room_type="quiz")], NOON - 55)
    assert enter("lea").post("/assessment/triggers/watch").status_code == 303
    assert "room_type:quiz" in {each.signal for each in stored(console)}


SCAN = b"a written notice\x00" * 100_000


def send(client: httpx.Client, data: bytes, name: str = "notice.pdf") -> httpx.Response:
    return client.post("/assessment/proofs", files={"file": (name, data, "application/pdf")})


def test_the_fields_of_the_proof_are_filled_in(enter: Enter) -> None:
    answer = send(enter("lea"), SCAN, "公函 <1>.pdf")
    assert answer.status_code == 200
    assert 'value="公函 &lt;1&gt;.pdf"' in answer.text
    assert f'value="{sha256(SCAN).hexdigest()}"' in answer.text


def test_a_long_name_keeps_its_end(enter: Enter) -> None:
    page = send(enter("lea"), SCAN, "x" * 300 + "\u202e.pdf").text
    assert f'value="{"x" * (MAX_NAME - 4)}.pdf"' in page


@pytest.mark.parametrize("data", [{"files": {"file": ("empty.pdf", b"")}}, {"data": {"file": "no file"}}, {}])
def test_without_content_there_is_no_hash(enter: Enter, data: dict[str, dict[str, str]]) -> None:
    assert enter("lea").post("/assessment/proofs", **data).status_code == 422  # type: ignore[arg-type]


def test_several_files_are_refused(enter: Enter) -> None:
    files = [("file", (f"{number}.pdf", SCAN)) for number in range(2)]
    assert enter("lea").post("/assessment/proofs", files=files).status_code == 400


def test_an_upload_is_bounded(enter: Enter) -> None:
    assert send(enter("lea"), bytes(1 << 20)).status_code == 200
    assert send(enter("lea"), bytes(MAX_MIB << 20)).status_code == 413
    form = {"about": "I-12", "title": "x" * (1 << 20)}
    assert enter("lea").post("/assessment/hazards", data=form).status_code == 413  # the others stay small


def test_only_people_who_may_use_it_can_upload(console: Console, enter: Enter) -> None:
    for name, status in (("aud", 403), ("ana", 403), ("", 401)):
        assert send(enter(name), SCAN).status_code == status
    lea = enter("lea")
    lea.headers["x-csrf-token"] = "wrong"
    assert send(lea, SCAN).status_code == 403
