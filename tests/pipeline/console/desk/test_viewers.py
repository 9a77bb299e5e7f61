"""Open pages say which case they show, and hear who else has it open."""

from pipeline.review.accounts.presence import SHOWN_SECONDS
from tests.builders import NOON, flag
from tests.pipeline.console.conftest import Console, Enter

FIRST, SECOND = "a" * 32, "b" * 32


def add(console: Console, speaker: str = "ann") -> str:
    return console.store.add([flag("a", 0, 5, speaker=speaker)], NOON)[0].case


def test_a_page_hears_who_else_has_its_case_open(console: Console, enter: Enter) -> None:
    case, ana, ben = add(console), enter("ana"), enter("ben")
    heard = ana.post("/viewing", data={"page": FIRST, "case": case})
    assert heard.json() == {"event": "viewed", "case": case, "by": ["ana"], "holder": ""}
    ana.post(f"/cases/{case}/open")
    heard = ben.post("/viewing", data={"page": SECOND, "case": case})
    assert heard.json() == {"event": "viewed", "case": case, "by": ["ana", "ben"], "holder": "ana"}
    assert ana.post("/viewing", data={"page": FIRST}).status_code == 204
    assert ben.post("/viewing", data={"page": SECOND, "case": case}).json()["by"] == ["ben"]


def test_a_page_without_word_is_closed(console: Console, enter: Enter) -> None:
    case, ana, ben = add(console), enter("ana"), enter("ben")
    ana.post("/viewing", data={"page": FIRST, "case": case})
    console.clock.now += SHOWN_SECONDS
    assert ben.post("/viewing", data={"page": SECOND, "case": case}).json()["by"] == ["ben"]


def test_who_may_not_see_the_case_learns_nothing(console: Console, enter: Enter) -> None:
    case = add(console, speaker="ben")
    enter("ana").post("/viewing", data={"page": FIRST, "case": case})
    answer = enter("ben").post("/viewing", data={"page": SECOND, "case": case})
    assert answer.status_code == 403
    assert "ana" not in answer.text
    assert enter("lea").post("/viewing", data={"page": SECOND, "case": case}).json()["by"] == ["ana", "lea"]


def test_wrong_words_are_refused(console: Console, enter: Enter) -> None:
    ana = enter("ana")
    assert ana.post("/viewing", data={"page": "short", "case": add(console)}).status_code == 422
    assert ana.post("/viewing", data={"page": FIRST, "case": "0" * 8}).status_code == 404
