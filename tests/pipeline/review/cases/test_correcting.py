"""Leads correct decided cases, and the app, the actions and the figures follow."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from pipeline.base.errors import CaseError, Involved, Stale
from pipeline.contract.messages import Decision
from pipeline.learning import decided_cases
from pipeline.review import audit_log
from pipeline.review.cases import appeals, case_queue, correcting, deciding, reading
from pipeline.review.cases.case_queue import TARGETS, QueueFilter, Ranking
from pipeline.review.cases.case_values import Case, Choice
from pipeline.review.database import Database
from pipeline.review.delivery import enforcements
from pipeline.review.delivery.enforcements import Enforcement
from pipeline.review.evidence.evidence_store import EvidenceFolder
from pipeline.review.quality import agreement_figures, drawing, quality_checks
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.tables.core import OUTBOX
from tests.builders import NOON, flag

LATER = NOON + 3_600
RANKING = Ranking({"violence": 2})
MUTE = Choice(verdict="uphold", action="mute", reason="confirmed")
WARN = Choice(verdict="uphold", action="warn", reason="confirmed")
DISMISS = Choice(verdict="dismiss", reason="joke")


@pytest.fixture
def case(database: Database) -> str:
    """A case that ana upheld with a mute. The app has the event."""
    case = SqlReviewStore(database).add([flag("a", 0, 5)], NOON)[0].case
    with database.write() as connection:
        deciding.decide(connection, case, "ana", MUTE, NOON)
        connection.execute(OUTBOX.update().values(status="sent"))
    return case


def read(database: Database, case: str) -> Case:
    with database.read() as connection:
        return reading.case(connection, case)


def correct(database: Database, case: str, choice: Choice = DISMISS, at: float = LATER, who: str = "lea") -> Decision:
    version = read(database, case).version
    with database.write() as connection:
        return correcting.correct(connection, case, who, choice, at, version=version)


def reopen(database: Database, case: str, reason: str = "unsure") -> None:
    version = read(database, case).version
    with database.write() as connection:
        correcting.reopen_case(connection, case, "lea", reason, LATER, version=version, ranking=RANKING)


def events(database: Database) -> list[tuple[str, str, dict[str, Any]]]:
    with database.read() as connection:
        rows = connection.execute(select(OUTBOX).order_by(OUTBOX.c.created_at, OUTBOX.c.kind)).all()
    return [(row.kind, row.status, row.payload) for row in rows]


def asked(database: Database) -> list[tuple[str, str]]:
    with database.read() as connection:
        return [(one.id, one.action) for one in enforcements.waiting_actions(connection, 0.0)]


def carry_out(database: Database, decision: str, at: float) -> None:
    given = Enforcement(
        id=decision, case="", room="room", speaker="ann", action="mute", label="", asked_at=at, decided=True
    )
    with database.write() as connection:
        enforcements.settle(connection, given, at, until=at + 86_400)


def endings(database: Database) -> list[str | None]:
    with database.read() as connection:
        return [mute.ending for mute in enforcements.mutes(connection)]


def test_a_correction_long_after_the_decision_replaces_it(database: Database, case: str) -> None:
    made = correct(database, case)
    found = read(database, case)
    assert (found.status, found.verdict, made.moderator) == ("decided", "dismiss", "lea")
    [_, (kind, status, payload)] = events(database)
    assert (kind, status, payload["reverse"]) == ("case.corrected", "waiting", "mute")
    assert (payload["decision"]["id"], payload["against"]["moderator"]) == (made.id, "ana")
    assert (payload["room"], payload["speaker"]) == ("room", "ann")
    with database.read() as connection:
        line = list(audit_log.all_lines(connection))[-1]
        assert (line.action, line.actor, line.subject) == ("case.correct", "lea", case)
        assert agreement_figures.confirmed(connection, NOON)["violence"].hits == 0
        [example] = decided_cases.examples(connection, 0.0)
    assert dict(example.labels) == {"violence": 0.0, "risk": 0.0}


def test_the_corrected_label_is_the_last_one(database: Database, case: str) -> None:
    for n, label in enumerate(("hate", "abuse")):
        correct(database, case, Choice(verdict="uphold", label=label, reason="wrong_label"), LATER + n)
    with database.read() as connection:
        [example] = decided_cases.examples(connection, 0.0)
    assert dict(example.labels) == {"violence": 0.0, "abuse": 1.0, "risk": 1.0}


def test_the_lead_can_undo_a_correction(database: Database, case: str) -> None:
    made = correct(database, case)
    with database.write() as connection:
        deciding.undo(connection, made.id, "lea", LATER + 5)
    assert read(database, case).verdict == "uphold"
    assert [(kind, status) for kind, status, _ in events(database)] == [
        ("case.decided", "sent"),
        ("case.corrected", "withdrawn"),
    ]
    assert correct(database, case, at=LATER + 6).id != made.id


def test_a_reopened_case_is_in_the_queue_and_its_decision_is_undone(database: Database, case: str) -> None:
    correct(database, case, WARN, NOON + 60)
    reopen(database, case)
    with database.read() as connection:
        assert [one.id for one in case_queue.list_queue(connection)] == [case]
        assert {one.undone for one in reading.decisions(connection, case)} == {LATER}
        assert agreement_figures.confirmed(connection, NOON) == {}
        assert list(audit_log.all_lines(connection))[-1].action == "case.reopen"
    assert [(kind, status) for kind, status, _ in events(database)] == [
        ("case.decided", "sent"),
        ("case.corrected", "withdrawn"),
        ("case.undone", "waiting"),
    ]
    with database.write() as connection:
        deciding.decide(connection, case, "ana", MUTE, LATER + 60)


def test_the_deadline_of_a_reopened_case_counts_from_the_reopening(database: Database, tmp_path: Path) -> None:
    store = SqlReviewStore(database, ranking=RANKING)
    reopened, waiting = (one.case for one in store.add([flag("a", 0, 5), flag("b", 0, 5, speaker="bo")], NOON))
    store.decide(reopened, "ana", MUTE, NOON)
    assert read(database, reopened).due_at == NOON + TARGETS[2]
    reopen(database, reopened)
    assert read(database, reopened).due_at == LATER + TARGETS[2]
    with database.read() as connection:
        assert [one.id for one in case_queue.list_queue(connection)] == [waiting, reopened]
    assert store.add([flag("c", 5, 8)], LATER)[0].case == reopened
    assert read(database, reopened).due_at == LATER + TARGETS[2], "more speech does not bring the old deadline back"
    store.decide(reopened, "ana", MUTE, LATER + 60)
    with database.write() as connection:
        evidence = EvidenceFolder(tmp_path)
        copy = drawing.copy(connection, evidence, "second", reopened, "any", 1.0, LATER + 90, RANKING)
    assert read(database, copy or "").due_at == LATER + 90 + TARGETS[2], "a check waits like any other case"


def test_an_escalated_case_is_reopened_as_escalated(database: Database) -> None:
    case = SqlReviewStore(database).add([flag("a", 0, 5)], NOON)[0].case
    with database.write() as connection:
        deciding.decide(connection, case, "ana", Choice(verdict="escalate"), NOON)
        deciding.decide(connection, case, "lea", DISMISS, NOON + 1)
    reopen(database, case)
    assert (read(database, case).status, read(database, case).verdict) == ("escalated", "escalate")
    with database.read() as connection:
        [found] = case_queue.list_escalated(connection, QueueFilter(), None, 50)
    assert found.due_at == LATER + 1_800


def test_an_action_ends_when_a_correction_has_another_one(database: Database, case: str) -> None:
    [(mute, _)] = asked(database)
    carry_out(database, mute, NOON + 11)
    assert endings(database) == [None]
    same = correct(database, case, Choice(verdict="uphold", action="mute", label="abuse", reason="wrong_label"))
    assert (endings(database), asked(database)) == ([None], []), "the mute stays, and is not carried out again"
    assert events(database)[-1][2]["reverse"] is None
    warn = correct(database, case, WARN, LATER + 60)
    assert (endings(database), asked(database)) == (["overturned"], [(warn.id, "warn")])
    again = correct(database, case, MUTE, LATER + 120)
    assert asked(database) == [(again.id, "mute")]
    assert same.id != again.id


def test_an_upheld_appeal_ends_no_action(database: Database, case: str) -> None:
    [(mute, _)] = asked(database)
    carry_out(database, mute, NOON + 11)
    with database.write() as connection:
        appeal, _ = appeals.lodge(connection, case, "ann", "", LATER, 10.0)
        with pytest.raises(CaseError, match="open appeal"):
            correcting.reopen_case(connection, case, "lea", "unsure", LATER, version=2, ranking=RANKING)
        appeals.settle(connection, appeal.id, "ben", Choice(verdict="uphold"), LATER, 10.0)
    assert endings(database) == [None]
    with pytest.raises(CaseError, match="was settled"):
        reopen(database, case)
    correct(database, case, at=LATER + 60)
    assert endings(database) == ["overturned"]


def test_what_cannot_be_corrected(database: Database, case: str) -> None:
    with pytest.raises(CaseError, match="with a reason"):
        correct(database, case, Choice(verdict="dismiss"))
    with pytest.raises(CaseError, match="upholds or dismisses"):
        correct(database, case, Choice(verdict="escalate", reason="unsure"))
    with pytest.raises(CaseError, match="with a reason"):
        reopen(database, case, reason="")
    with database.write() as connection:
        with pytest.raises(Stale):
            correcting.correct(connection, case, "lea", DISMISS, LATER, version=1)
        with pytest.raises(Involved):
            correcting.correct(connection, case, "ann", DISMISS, LATER, version=2)
        quality_checks.record(connection, case, "second", "original", 1.0, NOON)
    with pytest.raises(CaseError, match="check"):
        correct(database, case)
    waiting = SqlReviewStore(database).add([flag("b", 100, 105)], NOON)[0].case
    with pytest.raises(CaseError, match="not decided"):
        reopen(database, waiting)
