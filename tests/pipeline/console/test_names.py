"""Names and texts of users are isolated: a character that reverses the direction of writing does not reach the page."""

from html.parser import HTMLParser

import pytest

from pipeline.review.accounts import accounts
from pipeline.review.appeals import appeals
from pipeline.review.cases import deciding
from pipeline.review.cases.values import Choice
from pipeline.review.privacy import erasure, holds
from tests.builders import NOON, flag
from tests.pipeline.console.conftest import Console, Enter

REVERSED = "\u202elive"
"""A reader sees "evil"."""
ACCOUNT = f"a{REVERSED}"
VOID = frozenset({"meta", "link", "input", "br", "hr", "img"})


class Loose(HTMLParser):
    """Collects the texts with REVERSED that are in no `bdi`."""

    def __init__(self) -> None:
        super().__init__()
        self.inside: list[str] = []
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        # An option, a text field and a title are isolated by the browser: each is its own paragraph.
        if REVERSED in data and not {"bdi", "option", "textarea", "title", "script"} & set(self.inside):
            self.found.append(f"{' '.join(self.inside)}: {data.strip()}")


def loose(page: str) -> list[str]:
    parser = Loose()
    parser.feed(page)
    return parser.found


@pytest.fixture
def named(console: Console) -> str:
    """Everything that a person can name has a name that reverses the writing. Returns the id of a case."""
    with console.database.write() as connection:
        accounts.add(connection, ACCOUNT, "admin", NOON, "test")
    said = [flag(f"f{n}", n * 600, n * 600 + 5, room=REVERSED, speaker=REVERSED, text=REVERSED) for n in range(3)]
    first, second, third = (one.case for one in console.store.add(said, NOON))
    with console.database.write() as connection:
        for case in (first, second):
            deciding.decide(connection, case, ACCOUNT, Choice(verdict="uphold", note=REVERSED), NOON)
        appeals.lodge(connection, first, REVERSED, REVERSED, NOON + 60, undo_seconds=10)
        holds.place(connection, "room", REVERSED, REVERSED, ACCOUNT, NOON)
        erasure.ask(connection, f"b{REVERSED}", ACCOUNT, NOON)
    return third


PAGES = ("/appeals", "/keeping", "/me", "/wellness", "/audit", "/assessment/hazards", "/assessment/register")


@pytest.mark.parametrize("path", PAGES)
def test_names_are_isolated(enter: Enter, named: str, path: str) -> None:
    page = enter(ACCOUNT).get(path).text
    assert REVERSED in page
    assert loose(page) == []


def test_the_check_finds_a_loose_name() -> None:
    assert loose(f"<p><bdi>{REVERSED}</bdi><b>by</b> {REVERSED}</p>") == [f"p: {REVERSED}"]
