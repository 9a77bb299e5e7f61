"""Searches of cases on both databases: words, fields, pages, facets, and who sees what."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from pipeline.judge import labels
from pipeline.review.accounts import wellness
from pipeline.review.accounts.accounts import ViewingLimits
from pipeline.review.cases import appeals
from pipeline.review.cases.case_queue import Without
from pipeline.review.cases.case_values import Choice, Evidence
from pipeline.review.database import Database
from pipeline.review.evidence.evidence_store import EvidenceFolder
from pipeline.review.privacy import holds
from pipeline.review.quality import drawing
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.search import finding
from pipeline.review.search.case_words import fold
from pipeline.review.search.finding import Viewer
from pipeline.review.search.query import Wanted, parse_query, plan
from pipeline.review.tables.case_tables import VOICES
from tests.builders import NOON, flag

pytestmark = pytest.mark.dialect

LABELS = labels.load_labels()
LEAD = Viewer(checked=True)
UPHOLD, DISMISS = Choice(verdict="uphold"), Choice(verdict="dismiss")


class Shelf:
    """A store whose cases have names."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.store = SqlReviewStore(database)
        self.names: dict[str, str] = {}

    def add(
        self, name: str, words: str = "words", choice: Choice | None = None, by: str = "ana", **changes: Any
    ) -> str:
        """Store a case, a second after the one before, and decide it."""
        at = NOON + len(self.names)
        fields = {"speaker": f"speaker-{name}", "text": words, "hits": ()} | changes
        [made] = self.store.add([flag(name, **fields)], at)
        if choice:
            self.store.decide(made.case, by, choice, at + 0.5)
        self.names[made.case] = name
        return made.case

    def find(self, query: str, viewer: Viewer = LEAD, **more: Any) -> list[str]:
        with self.database.read() as connection:
            found = finding.find_cases(connection, plan(parse_query(query), LABELS, NOON + 3_600), viewer, **more)
        return [self.names.get(one.id, one.id) for one in found]

    def facets(self, query: str) -> dict[str, dict[str, int]]:
        wanted = plan(parse_query(query), LABELS, NOON + 3_600)
        with self.database.read() as connection:
            found = finding.find_cases(connection, wanted, LEAD)
            return {name: dict(counts) for name, counts in finding.facets(connection, wanted, LEAD, found).items()}


@pytest.fixture
def shelf(database: Database) -> Shelf:
    return Shelf(database)


WAYS: dict[str, dict[str, int]] = {
    "walk": {},
    "short steps": {"STEP": 2, "WALKED": 1_000_000},
    "walk, then index": {"STEP": 2, "WALKED": 0},
}
"""What makes the search take each of its ways."""


@pytest.fixture(params=[*WAYS.values()], ids=[*WAYS])
def steps(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the search take each of its ways."""
    for name, value in request.param.items():
        monkeypatch.setattr(finding, name, value)


@pytest.mark.usefixtures("steps")
def test_words_are_found_newest_first_in_any_script(shelf: Shelf) -> None:
    shelf.add("a", "很简单，你先转两百，一小时返现四百")
    shelf.add("b", "send it first and the Cashback doubles", UPHOLD)
    shelf.add("c", "返利，现在")
    shelf.add("d", "他说返現是骗人的", DISMISS)
    assert shelf.find("返现") == ["d", "a"]
    assert shelf.find("返") == ["d", "c", "a"]
    assert shelf.find("返现|cashback") == ["d", "b", "a"]
    assert shelf.find("shba") == ["b"]
    assert shelf.find('"the cash"') == ["b"]
    assert shelf.find("cash doubles") == ["b"], "both words, anywhere"
    assert shelf.find('"cash doubles"') == []
    assert shelf.find("先转 返现") == ["a"]
    assert shelf.find("转先") == []


@pytest.mark.usefixtures("steps")
def test_pages_have_every_match_once(shelf: Shelf) -> None:
    for number in range(12):
        shelf.add(f"{number}", "返现" if number % 2 else "别的")
    seen: list[str] = []
    before = None
    with shelf.database.read() as connection:
        wanted = plan(parse_query("返现"), LABELS, NOON)
        while found := finding.find_cases(connection, wanted, LEAD, before, most=4):
            seen += [shelf.names[one.id] for one in found]
            before = found[-1].place
    assert seen == ["11", "9", "7", "5", "3", "1"]


def test_fields(shelf: Shelf, tmp_path: Path) -> None:
    heard = shelf.add("a", room="den", flagged=("fraud",), policy="strict@1", language="en")
    appealed = shelf.add("b", choice=UPHOLD, by="ben", suggestion="block", speaker="a/b\u202e")
    shelf.add("c", choice=DISMISS, policy="default@2")
    shelf.add("d", choice=Choice(verdict="escalate"))
    evidence = EvidenceFolder(tmp_path)
    shelf.store.attach(
        Evidence(path=evidence.put(heard, NOON, b"x"), case=heard, start=0, end=0, seconds=1, bytes=1, sha256="")
    )
    with shelf.database.write() as connection:
        holds.place_hold(connection, "room", "den", "police 7", "lea", NOON)
        appeals.lodge(connection, appealed, "a/b\u202e", "No.", NOON + 60, undo_seconds=10.0)
    assert shelf.find("label:fraud") == ["a"]
    assert shelf.find("room:den|other") == ["a"]
    assert shelf.find('speaker:"a/b\u202e"') == ["b"]
    assert shelf.find("by:ana") == ["d", "c"]
    assert shelf.find("by:ben|ana verdict:violation") == ["b"]
    assert shelf.find("policy:default") == ["d", "c", "b"]
    assert shelf.find("policy:default@2") == ["c"]
    assert shelf.find("status:open|escalated") == ["d", "a"]
    assert shelf.find("severity:high") == ["b"]
    assert shelf.find("language:en") == ["a"]
    assert shelf.find("has:audio has:hold") == ["a"]
    assert shelf.find("has:appeal") == ["b"]
    assert shelf.find("has:report") == []
    assert shelf.find("words when:1h status:decided") == ["c", "b"]
    assert shelf.find("when:2025-12-31") == []
    assert shelf.find("") == ["d", "c", "b", "a"]


def test_cases_on_hold_are_counted_and_found_by_a_voice_in_their_clip(shelf: Shelf) -> None:
    held = shelf.add("a")
    for name in "bc":
        shelf.add(name)
    with shelf.database.write() as connection:
        connection.execute(insert(VOICES).values(case_id=held, speaker="ann"))
        holds.place_hold(connection, "speaker", "ann", "police 7", "lea", NOON)
    assert shelf.facets("words")["has"] == {"audio": 0, "hold": 1}
    assert shelf.find("has:hold words") == shelf.find("has:hold") == ["a"]


def test_older_decisions_of_a_person_are_found_after_their_last_ones(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "DECIDED_LAST", (1, 3))
    monkeypatch.setattr(finding, "SKEW_SECONDS", 0.0)
    for number in range(6):
        shelf.add(f"{number}", choice=UPHOLD, by=("ana", "ben")[number % 2])
    assert shelf.find("by:ana", most=1) == ["4"]
    assert shelf.find("by:ana|ben", most=3) == ["5", "4", "3"]
    assert shelf.find("by:ana") == ["4", "2", "0"]


def test_facets_count_what_other_values_would_give(shelf: Shelf) -> None:
    shelf.add("a", "返现", UPHOLD, language="en")
    shelf.add("b", "返现", DISMISS)
    shelf.add("c", "返现", suggestion="block")
    shelf.add("d", "别的")
    assert shelf.facets("返现 verdict:violation") == {
        "status": {"decided": 1},
        "verdict": {"uphold": 1, "dismiss": 1},
        "severity": {"1": 1},
        "language": {"en": 1},
        "has": {"audio": 0, "hold": 0},
    }


def test_a_copy_is_never_found_and_its_original_only_by_leads_meanwhile(shelf: Shelf, tmp_path: Path) -> None:
    original = shelf.add("a", "返现", UPHOLD)
    with shelf.database.write() as connection:
        copy = drawing.copy(connection, EvidenceFolder(tmp_path), "second", original, "cause", 0.1, NOON + 60)
    assert copy
    assert shelf.find("返现") == shelf.find("") == ["a"]
    assert shelf.find("返现", Viewer()) == shelf.find("", Viewer()) == []
    shelf.store.decide(copy, "ben", UPHOLD, NOON + 70)
    assert shelf.find("返现", Viewer()) == ["a"]


def test_a_person_does_not_find_what_their_queue_leaves_out(shelf: Shelf) -> None:
    shelf.add("a", flagged=("fraud",))
    shelf.add("b", suggestion="block")
    with shelf.database.read() as connection:
        without = wellness.without(
            connection, "ana", wellness.meter(connection, "ana", ViewingLimits(without=("fraud",)), NOON), NOON
        )
    assert shelf.find("words", Viewer(without)) == ["b"]
    assert shelf.find("words", Viewer(Without(severity=2))) == ["a"]


@given(
    texts=st.lists(st.text(st.sampled_from("ab 返现加'%_\\:&|*"), max_size=12), max_size=6),
    phrase=st.text(st.sampled_from("ab 返现加'%_\\:&|*"), min_size=2, max_size=4),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_index_finds_what_a_reader_finds(url: str, texts: list[str], phrase: str) -> None:
    folded = fold(phrase)
    if len([letter for letter in folded if letter.isalnum()]) < 2:
        return
    database = Database(url)
    try:
        shelf = Shelf(database)
        prefix = str(id(texts))
        made = [shelf.add(f"{prefix}-{n}", words, room=prefix) for n, words in enumerate(texts)]
        with database.read() as connection:
            wanted = Wanted(said=((folded,),), room=(prefix,))
            found = {one.id for one in finding.find_cases(connection, wanted, LEAD)}
        assert found == {case for case, words in zip(made, texts, strict=True) if folded in fold(words)}
    finally:
        database.close()
