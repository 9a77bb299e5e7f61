"""Hazards: found once, fixed by an owner, closed only with a proof."""

from collections.abc import Iterator
from datetime import date
from hashlib import sha256
from io import BytesIO
from typing import Any

import pytest
from sqlalchemy import Connection

from pipeline.assessment import hazards
from pipeline.assessment.hazards import Finding, Hazard
from pipeline.base.errors import CaseError, InputError, Missing
from pipeline.review import audit_log
from pipeline.review.database import Database
from pipeline.review.quality.figure import Figure, Window
from tests.builders import NOON

LEAK = Finding(source="person", about="5(5)", title="the clips are not encrypted", owner="lea", due=date(2026, 2, 1))
DAY = 86_400.0


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.write() as opened:
        yield opened


@pytest.fixture
def proof() -> hazards.FileProof:
    return hazards.of_stream(BytesIO(b"fixed"), "proof.txt")


def share(value: float | None, **changes: Any) -> Figure:
    met = None if value is None else value >= 0.99
    fields: dict[str, Any] = {"indicator": "I-02", "key": "share", "unit": "share", "n": 10}
    return Figure(**fields | {"value": value, "threshold": 0.99, "met": met} | changes)


def found(connection: Connection, *findings: Finding, at: float = NOON) -> list[Hazard]:
    return hazards.find_all(connection, findings, "lea", at)


def steps(hazard: Hazard) -> list[tuple[str, str, str]]:
    return [(step.state, step.author, step.note) for step in hazard.steps]


def test_a_hazard_goes_from_open_to_closed_and_the_audit_log_has_each_step(
    connection: Connection, proof: hazards.FileProof
) -> None:
    (hazard,) = found(connection, LEAK)
    assert (hazard.state, hazard.owner, hazard.due) == ("open", "lea", "2026-02-01")
    hazards.assign(connection, hazard.id, "ben", date(2026, 3, 1), "lea", NOON + 1)
    hazards.fix(connection, hazard.id, "encrypted the disk", "ben", NOON + 2)
    closed = hazards.close(connection, hazard.id, "looked at it", "lea", NOON + 3, [proof])
    assert (closed.state, closed.owner, closed.due) == ("closed", "ben", "2026-03-01")
    assert steps(closed) == [
        ("open", "lea", "the clips are not encrypted"),
        ("open", "lea", "→ ben · 2026-03-01"),
        ("fixed", "ben", "encrypted the disk"),
        ("closed", "lea", "looked at it"),
    ]
    assert closed.steps[-1].evidence == ({"path": proof.path, "sha256": sha256(b"fixed").hexdigest()},)
    logged = [line.action for line in reversed(audit_log.newest_lines(connection, subject=hazard.id))]
    assert logged == ["hazard.open", "hazard.assign", "hazard.fixed", "hazard.closed"]
    assert audit_log.verify_chain(connection).broken is None


def test_nothing_closes_without_a_proof_or_before_it_is_fixed(connection: Connection, proof: hazards.FileProof) -> None:
    (hazard,) = found(connection, LEAK)
    with pytest.raises(CaseError, match="is open"):
        hazards.close(connection, hazard.id, "done", "lea", NOON, [proof])
    hazards.fix(connection, hazard.id, "done", "lea", NOON)
    with pytest.raises(InputError, match="needs a proof"):
        hazards.close(connection, hazard.id, "done", "lea", NOON, [])
    assert hazards.get(connection, hazard.id).state == "fixed"


def test_a_step_out_of_order_or_without_a_note_is_refused(connection: Connection) -> None:
    (hazard,) = found(connection, LEAK)
    with pytest.raises(CaseError, match="is open"):
        hazards.reopen(connection, hazard.id, "again", "lea", NOON)
    with pytest.raises(InputError, match="note"):
        hazards.fix(connection, hazard.id, " ", "lea", NOON)
    with pytest.raises(InputError, match="owner"):
        hazards.assign(connection, hazard.id, "", None, "lea", NOON)
    with pytest.raises(Missing):
        hazards.fix(connection, "none", "a note", "lea", NOON)
    assert len(hazards.get(connection, hazard.id).steps) == 1


def test_a_closed_hazard_can_be_opened_again(connection: Connection, proof: hazards.FileProof) -> None:
    (hazard,) = found(connection, LEAK)
    hazards.fix(connection, hazard.id, "done", "lea", NOON)
    hazards.close(connection, hazard.id, "", "lea", NOON, [proof])
    assert hazards.reopen(connection, hazard.id, "it is back", "ana", NOON + 9).state == "open"
    with pytest.raises(CaseError, match="is open"):
        hazards.close(connection, hazard.id, "", "lea", NOON, [proof])


def test_a_figure_that_misses_its_limit_is_one_hazard_until_it_is_closed(connection: Connection) -> None:
    (hazard,) = found(connection, *hazards.of_figures([share(0.95), share(0.995), share(None)]))
    assert (hazard.source, hazard.about, hazard.title) == ("threshold", "I-02.share", "I-02.share: 0.95 < 0.99")
    assert found(connection, *hazards.of_figures([share(0.9)])) == []
    hazards.fix(connection, hazard.id, "added workers", "ben", NOON + DAY)
    assert found(connection, *hazards.of_figures([share(0.9)])) == []


def test_a_later_window_that_keeps_the_limit_closes_a_fixed_hazard(connection: Connection) -> None:
    (hazard,) = found(connection, *hazards.of_figures([share(0.95)]))
    after = Window(NOON + 2 * DAY, NOON + 3 * DAY)
    assert hazards.recheck(connection, [share(0.995)], after, "lea", NOON + 3 * DAY) == []  # not fixed yet
    hazards.fix(connection, hazard.id, "added workers", "ben", NOON + DAY)
    early = Window(NOON, NOON + 2 * DAY)
    assert hazards.recheck(connection, [share(0.995)], early, "lea", NOON + 2 * DAY) == []
    assert hazards.recheck(connection, [share(0.98)], after, "lea", NOON + 3 * DAY) == []
    (closed,) = hazards.recheck(connection, [share(0.995)], after, "lea", NOON + 3 * DAY)
    proof = {"figure": "I-02.share", "value": 0.995, "threshold": 0.99, "since": after.since, "until": after.until}
    assert (closed.id, closed.state, closed.steps[-1].evidence) == (hazard.id, "closed", (proof,))
    (again,) = found(connection, *hazards.of_figures([share(0.9)]), at=NOON + 4 * DAY)
    assert (again.id, again.state, again.steps[-1].note) == (hazard.id, "open", "I-02.share: 0.9 < 0.99")


def test_a_figure_does_not_close_what_a_person_found(connection: Connection) -> None:
    (hazard,) = found(connection, Finding(source="person", about="I-02.share", title="not counted on Sundays"))
    hazards.fix(connection, hazard.id, "counts on Sundays", "ben", NOON + DAY)
    assert (
        hazards.recheck(connection, [share(0.995)], Window(NOON + 2 * DAY, NOON + 3 * DAY), "lea", NOON + 3 * DAY) == []
    )


def test_another_owner_does_not_delay_the_proof(connection: Connection) -> None:
    (hazard,) = found(connection, *hazards.of_figures([share(0.95)]))
    hazards.fix(connection, hazard.id, "added workers", "ben", NOON + DAY)
    hazards.assign(connection, hazard.id, "cai", None, "lea", NOON + 2.5 * DAY)
    after = Window(NOON + 2 * DAY, NOON + 3 * DAY)
    (closed,) = hazards.recheck(connection, [share(0.995)], after, "lea", NOON + 3 * DAY)
    assert (closed.state, closed.owner, closed.since) == ("closed", "cai", NOON + 3 * DAY)


def test_two_people_may_find_two_hazards_about_one_item(connection: Connection) -> None:
    other = Finding(source="person", about="5(5)", title="no impact assessment")
    assert len(found(connection, LEAK, other, LEAK)) == 2
    assert {hazard.title for hazard in hazards.all_hazards(connection, "open")} == {LEAK.title, other.title}


def test_an_empty_file_proves_nothing() -> None:
    with pytest.raises(InputError, match="proof"):
        hazards.of_stream(BytesIO(), "proof")


def test_a_figure_is_named_with_its_part() -> None:
    assert (
        hazards.name_of(share(0.9, split={"language": "zh", "label": "fraud"})) == "I-02.share label=fraud language=zh"
    )
