"""The register: typed entries, opened and closed by people, each change logged."""

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from sqlalchemy import Connection

from pipeline.assessment import hazards, register
from pipeline.assessment.hazards import FileProof
from pipeline.assessment.register import KINDS, Kind, Record
from pipeline.base.errors import CaseError, InputError, Missing
from pipeline.review import audit_log
from pipeline.review.database import Database
from tests.builders import NOON

FIELDS: dict[Kind, dict[str, Any]] = {
    "authority_request": {"authority": "公安", "reference": "7", "legal_basis": "网络安全法", "approver": "Li"},
    "police_report": {"matter": "a threat"},
    "policy_change": {"version": "default@2", "reason": "new terms"},
    "technical_change": {"component": "recogniser", "after": "large"},
    "shadow_run": {"policy": "next@1", "caught_before": 0.01, "caught_after": 0.02},
    "incident": {"title": "broker down", "severity": "high"},
    "restore_test": {"backup": "store of 1 January", "result": "passed"},
    "synthetic_voice": {"clips": 10, "labelled": 9},
}


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.write() as opened:
        yield opened


def add(connection: Connection, kind: Kind, at: float = NOON, **more: Any) -> Record:
    return register.add(connection, kind, FIELDS[kind], "lea", at, **more)


def test_every_kind_has_fields() -> None:
    assert set(KINDS) == set(get_args(Kind)) == set(FIELDS)


@pytest.mark.parametrize("kind", FIELDS)
def test_an_entry_keeps_its_fields_author_and_time(connection: Connection, kind: Kind) -> None:
    made = add(connection, kind)
    assert register.all_records(connection, kind) == [made]
    assert made.fields | FIELDS[kind] == made.fields
    assert (made.opened_at, made.closed_at, made.author) == (NOON, None, "lea")
    (line,) = audit_log.newest_lines(connection, subject=made.id)
    assert (line.action, line.actor, line.at) == ("register.add", "lea", NOON)


@pytest.mark.parametrize(
    ("kind", "changes", "told"),
    [
        ("incident", {"severity": "bad"}, "severity"),
        ("incident", {"colour": "red"}, "colour"),
        ("restore_test", {"backup": ""}, "backup"),
        ("shadow_run", {"caught_after": 2}, "caught_after"),
        ("synthetic_voice", {"labelled": 11}, "more labelled than clips"),
    ],
)
def test_a_wrong_field_is_refused_by_name(
    connection: Connection, kind: Kind, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        register.add(connection, kind, FIELDS[kind] | changes, "lea", NOON)
    assert register.all_records(connection) == []


def test_an_unknown_kind_is_refused(connection: Connection) -> None:
    with pytest.raises(InputError, match="authority_request"):
        register.add(connection, "gossip", {}, "lea", NOON)  # type: ignore[arg-type]


def test_text_of_a_command_line_becomes_numbers(connection: Connection) -> None:
    made = register.add(connection, "synthetic_voice", {"clips": "10", "labelled": "9"}, "lea", NOON)
    assert (made.fields["clips"], made.fields["files"]) == (10, 0)


def test_a_police_report_is_due_after_a_day(connection: Connection) -> None:
    assert add(connection, "police_report", opened_at=NOON - 60).due_at == NOON - 60 + 86_400
    assert add(connection, "police_report", due_at=NOON + 60).due_at == NOON + 60
    assert add(connection, "incident").due_at is None


def test_an_entry_is_closed_once_and_may_be_changed(connection: Connection) -> None:
    made = add(connection, "incident")
    changed = register.change(connection, made.id, {"cause": "a full disk"}, "ben", NOON + 1)
    assert changed.fields == made.fields | {"cause": "a full disk"}
    closed = register.close(connection, made.id, "ana", NOON + 9, closed_at=NOON + 5)
    assert (closed.closed_at, closed.author, closed.changed_at) == (NOON + 5, "ana", NOON + 9)
    with pytest.raises(CaseError, match="already closed"):
        register.close(connection, made.id, "ana", NOON + 10)
    assert register.all_records(connection, still_open=True) == []
    logged = [line.action for line in audit_log.newest_lines(connection, subject=made.id)]
    assert logged == ["register.close", "register.change", "register.add"]
    with pytest.raises(Missing):
        register.close(connection, "none", "ana", NOON)


def test_an_incident_is_a_hazard_once_even_after_the_hazard_is_closed(connection: Connection) -> None:
    made = add(connection, "incident")
    (hazard,) = hazards.find_all(connection, register.incidents(connection), "lea", NOON)
    assert (hazard.source, hazard.about, hazard.title) == ("incident", f"I-32.incident:{made.id}", "broker down")
    hazards.fix(connection, hazard.id, "a second broker", "ben", NOON)
    hazards.close(connection, hazard.id, "", "lea", NOON, [FileProof("/report.pdf", "0" * 64)])
    assert hazards.find_all(connection, register.incidents(connection), "lea", NOON) == []
    assert hazards.get(connection, hazard.id).state == "closed"


@pytest.mark.parametrize(
    "times",
    [{"opened_at": NOON + 1}, {"closed_at": NOON + 1}, {"closed_at": NOON - 1}, {"due_at": NOON - 1}],
)
def test_times_out_of_order_are_refused(connection: Connection, times: dict[str, float]) -> None:
    with pytest.raises(InputError):
        add(connection, "incident", **times)
