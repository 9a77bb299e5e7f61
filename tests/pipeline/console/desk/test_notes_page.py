"""Notes on the case page."""

import pytest

from pipeline.review.cases import notes
from pipeline.review.cases.notes import LONGEST
from tests.builders import NOON, flag
from tests.pipeline.console.conftest import Console, Enter


@pytest.fixture
def case(console: Console) -> str:
    return console.store.add([flag("a", 0, 5)], NOON)[0].case


def test_a_thread_with_a_mention(console: Console, enter: Enter, case: str) -> None:
    ana, ben = enter("ana"), enter("ben")
    assert "No notes" in ana.get(f"/cases/{case}/notes").text
    answer = ana.post(f"/cases/{case}/notes", data={"text": "@ben <b>look</b>"})
    assert "<bdi>@ben &lt;b&gt;look&lt;/b&gt;</bdi>" in answer.text
    assert ben.get("/inbox/due").json()["count"] == 1
    assert "mentioned you" in ben.get("/inbox").text
    assert "@ben" in ben.get(f"/cases/{case}/notes").text
    assert ben.get("/inbox/due").json()["count"] == 0


def test_an_auditor_reads_and_does_not_write(enter: Enter, case: str) -> None:
    enter("ana").post(f"/cases/{case}/notes", data={"text": "odd"})
    page = enter("aud").get(f"/cases/{case}/notes").text
    assert "odd" in page
    assert "<textarea" not in page


def test_only_leads_assign_from_the_page(enter: Enter, case: str) -> None:
    assert f"/queue/move?case={case}" in enter("lea").get(f"/cases/{case}/notes").text
    assert "/queue/move" not in enter("ana").get(f"/cases/{case}/notes").text


@pytest.mark.parametrize(("text", "status"), [("", 422), (" ", 409), ("a\x00", 422), ("x" * (LONGEST + 1), 422)])
def test_wrong_notes_are_refused(console: Console, enter: Enter, case: str, text: str, status: int) -> None:
    assert enter("ana").post(f"/cases/{case}/notes", data={"text": text}).status_code == status
    with console.database.read() as connection:
        assert notes.notes_of(connection, case) == []


def test_there_are_no_notes_on_an_unknown_case(enter: Enter) -> None:
    assert enter("ana").get("/cases/0/notes").status_code == 404
