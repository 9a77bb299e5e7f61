"""Muted phrases: who can mute what, what it stops, and how it is counted."""

from typing import Any

import pytest
from sqlalchemy import select

from pipeline.base.errors import CaseError, Missing
from pipeline.contract.messages import Flag
from pipeline.judge import verdict
from pipeline.review import audit_log
from pipeline.review.cases import case_queue, deciding, phrase_muting
from pipeline.review.cases.case_values import Choice, Outcome
from pipeline.review.cases.phrase_muting import MutedPhrase
from pipeline.review.database import Database
from pipeline.review.quality import audits, snapshot
from pipeline.review.quality.figure import Window
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.tables.assessment_tables import TALLIES
from tests.builders import NOON, flag

TERM = verdict.of_term("violence", "弄死你", "high", "review")
SCORE = "abuse: score 0.91 reaches review at 0.80"
HOUR, DAY = 3_600.0, 86_400.0


class Lobby:
    """A room in which a game has a line that the lexicon has, too."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.store = SqlReviewStore(database)

    def said(self, at: float, *why: str, **changes: Any) -> Flag:
        return flag(str(at), at, at + 5, reasons=why or (TERM,), **changes)

    def says(self, at: float, *why: str, drawn: bool = False, **changes: Any) -> list[Outcome]:
        spoken = self.said(at, *why, **changes)
        return self.store.add([spoken], NOON + at, [spoken.id] if drawn else [], 0.5)

    def dismissed(self, at: float = 0.0, *why: str, **changes: Any) -> str:
        [outcome] = self.says(at, *why, **changes)
        self.store.decide(outcome.case, "ana", Choice(verdict="dismiss"), NOON + at)
        return outcome.case

    def ask(self, case: str, at: float = 10.0, *, approve: bool = True, term: str = "弄死你") -> MutedPhrase:
        with self.database.write() as connection:
            return phrase_muting.ask_to_mute(connection, case, "violence", term, "lea", NOON + at, approve=approve)

    def counted(self) -> dict[str, int]:
        with self.database.read() as connection:
            rows = connection.execute(select(TALLIES).where(TALLIES.c.measure == "judged"))
            return {row.bucket: row._mapping["count"] for row in rows}


@pytest.fixture
def lobby(database: Database) -> Lobby:
    return Lobby(database)


def test_a_muted_phrase_opens_no_case_in_its_room_for_a_day(lobby: Lobby) -> None:
    muted = lobby.ask(lobby.dismissed())
    assert (muted.until, muted.approved_by) == (NOON + 10 + DAY, "lea")
    assert lobby.says(20) == [Outcome("20", "", "muted")]
    assert [one.result for one in lobby.says(30, room="elsewhere")] == ["created"]
    assert [one.result for one in lobby.says(10 + DAY)] == ["created"]


def test_other_causes_still_open_cases(lobby: Lobby) -> None:
    lobby.ask(lobby.dismissed())
    other = verdict.of_term("violence", "杀了你", "high", "review")
    elsewhere = verdict.of_term("abuse", "弄死你", "high", "review")
    for at, why in ((100, (TERM, SCORE)), (200, (TERM, other)), (300, (elsewhere,)), (400, ())):
        [outcome] = lobby.says(at, *(why or ("risk 0.9 reaches review, but no label does",)))
        assert outcome.result == "created"
    assert lobby.says(500, TERM, drill="d-1")[0].result == "created"


def test_speech_from_before_the_mute_still_opens_a_case_and_a_second_delivery_changes_nothing(lobby: Lobby) -> None:
    lobby.ask(lobby.dismissed())
    assert lobby.says(9)[0].result == "created"
    assert [lobby.says(20)[0].result for _ in range(2)] == ["muted", "muted"]
    assert lobby.counted() == {"review": 2, "muted": 1}


def test_a_batch_keeps_the_order_of_its_flags(lobby: Lobby) -> None:
    lobby.ask(lobby.dismissed())
    flags = [lobby.said(20), lobby.said(30, SCORE), lobby.said(40)]
    outcomes = lobby.store.add(flags, NOON + 50, {"40"}, 0.5)
    assert [(one.flag, one.result) for one in outcomes] == [
        ("20", "muted"),
        ("30", "created"),
        ("40", "muted"),
        ("40", "created"),
    ]


def test_audits_are_drawn_from_muted_flags_as_from_passed_speech(lobby: Lobby) -> None:
    lobby.ask(lobby.dismissed())
    [_, audited] = lobby.says(20, drawn=True)
    with lobby.database.read() as connection:
        [waiting] = case_queue.list_queue(connection)
    assert (waiting.id, waiting.suggestion, waiting.severity) == (audited.case, "pass", 0)
    assert lobby.store.case(audited.case).flags[0].reasons == (TERM,)


def test_the_recall_counts_muted_flags_as_passed_speech(lobby: Lobby) -> None:
    lobby.ask(lobby.dismissed())
    [_, audited] = lobby.says(20, drawn=True)
    lobby.says(30)
    lobby.store.decide(audited.case, "ana", Choice(verdict="uphold"), NOON + 60)
    with lobby.database.read() as connection:
        snapshot.take(connection, NOON + HOUR)
        judged = audits.read_judged(connection, Window(NOON, NOON + HOUR))
    assert sum(one.count for one in judged.passed) == 2
    assert [one.verdict for one in judged.audits] == ["uphold"]
    assert sum(one.count for one in judged.flagged) == 1, "the dismissed one"


def test_a_wish_waits_for_a_lead(lobby: Lobby) -> None:
    case = lobby.dismissed()
    wish = lobby.ask(case, approve=False)
    assert lobby.says(20)[0].result == "created"
    assert lobby.ask(case, 21, approve=False) == wish, "asking twice is one wish"
    with lobby.database.write() as connection:
        assert [one.id for one in phrase_muting.everywhere(connection, NOON + 22)] == [wish.id]
        approved = phrase_muting.approve_mute(connection, wish.id, "lea", NOON + 25)
        lines = [line.action for line in audit_log.all_lines(connection) if line.action.startswith("phrase.")]
    assert lines == ["phrase.ask", "phrase.mute"]
    assert approved.until == NOON + 25 + DAY
    assert lobby.says(30)[0].result == "muted"
    with pytest.raises(Missing), lobby.database.write() as connection:
        phrase_muting.approve_mute(connection, wish.id, "lea", NOON + 31)


def test_a_mute_can_end_early_and_stays_true_for_what_was_said_before(lobby: Lobby) -> None:
    muted = lobby.ask(lobby.dismissed())
    with lobby.database.write() as connection:
        phrase_muting.end_mute(connection, muted.id, "lea", NOON + 100)
    assert lobby.says(99)[0].result == "muted"
    assert lobby.says(150)[0].result == "created"
    with pytest.raises(Missing), lobby.database.write() as connection:
        phrase_muting.end_mute(connection, muted.id, "lea", NOON + 101)


def test_a_mute_ends_when_its_case_is_no_longer_dismissed(lobby: Lobby) -> None:
    case = lobby.dismissed()
    lobby.ask(case, 1)
    with lobby.database.write() as connection:
        deciding.undo(connection, lobby.store.case(case).decisions[0].id, "ana", NOON + 5)
        assert phrase_muting.everywhere(connection, NOON + 6) == []
    assert lobby.says(20)[0].result == "created"


@pytest.mark.parametrize("why", [(SCORE,), (TERM, SCORE)])
def test_only_the_only_cause_of_a_dismissed_case_can_be_muted(lobby: Lobby, why: tuple[str, ...]) -> None:
    case = lobby.dismissed(0, *why)
    with pytest.raises(CaseError, match="cannot be muted"):
        lobby.ask(case)
    upheld = lobby.says(100)[0].case
    lobby.store.decide(upheld, "ana", Choice(verdict="uphold"), NOON)
    for other, term in ((upheld, "弄死你"), (lobby.dismissed(200), "杀了你")):
        with pytest.raises(CaseError, match="cannot be muted"):
            lobby.ask(other, term=term)


def test_a_room_has_a_bounded_number_of_muted_phrases(lobby: Lobby, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phrase_muting, "MOST", 1)
    lobby.ask(lobby.dismissed())
    other = lobby.dismissed(100, verdict.of_term("violence", "杀了你", "high", "review"))
    with pytest.raises(CaseError, match="This room has 1 muted phrases"):
        lobby.ask(other, 110, term="杀了你")
    assert lobby.ask(other, 20 + DAY, term="杀了你").room == "room"


def test_the_list_forgets_old_phrases(lobby: Lobby) -> None:
    case = lobby.dismissed()
    lobby.ask(case)
    lobby.ask(case, 40 * DAY)
    with lobby.database.read() as connection:
        assert len(phrase_muting.in_room(connection, "room", NOON)) == 1
