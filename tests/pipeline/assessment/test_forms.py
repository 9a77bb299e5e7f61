"""The fields that people fill in: asked, checked, stored with author and time, and written as YAML."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from sqlalchemy import Connection

from pipeline.assessment import forms
from pipeline.base.errors import CaseError, InputError, Missing
from pipeline.review import audit_log
from pipeline.review.database import Database
from tests.builders import NOON
from tests.pipeline.assessment.tallied import finish

VALID: dict[str, Any] = {"date": "2026-01-31", "url": "https://example.com/app", "phone": "+86 10 1234 5678"}


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    """A store with the draft 2026-1 and the final report 2025-1."""
    with database.write() as opened:
        finish(opened, "2025-1", NOON - 1)
        finish(opened, "2026-1", NOON, state="draft", finished_by=None, finished_at=None, sha256=None, content=None)
        yield opened


def answer(connection: Connection, at: float = NOON, author: str = "lea", **given: Any) -> list[str]:
    return forms.answer(connection, "2026-1", given, author, at)


def missing(connection: Connection) -> list[str]:
    return [each.id for each in forms.missing(connection, "2026-1")]


def complete() -> dict[str, Any]:
    """Return an answer to each field."""
    return {
        name: VALID.get(field.type, next(iter(field.choices), "one line"))
        for name, field in forms.form().fields.items()
    }


def test_every_item_of_the_report_has_a_required_field() -> None:
    required = {field.part for field in forms.form().fields.values() if field.required}
    assert required == {"1", *(f"5({number})" for number in range(1, 9)), "3"}


def test_a_form_is_complete_when_every_required_field_has_an_answer(connection: Connection) -> None:
    before = missing(connection)
    assert {"subject_kind", "officer", "conclusion"} <= set(before)
    assert "changes" not in before
    answer(connection, **complete())
    assert missing(connection) == []
    answer(connection, officer=" ")
    assert missing(connection) == ["officer"]


def test_fields_of_the_other_kind_of_subject_are_not_asked(connection: Connection) -> None:
    assert not {"organisation_name", "person_name"} & set(missing(connection))
    answer(connection, subject_kind="individual")
    assert "person_name" in missing(connection)
    assert "organisation_name" not in missing(connection)
    answer(connection, subject_kind="organisation")
    assert "organisation_name" in missing(connection)


def test_each_change_keeps_its_author_and_time_and_the_newest_counts(connection: Connection) -> None:
    assert answer(connection, NOON, "lea", officer="Li") == ["officer"]
    assert answer(connection, NOON + 1, "ben", officer="Li") == []
    assert answer(connection, NOON + 2, "ben", officer="Wang") == ["officer"]
    assert forms.history(connection, "2026-1", "officer") == [(NOON, "lea", "Li"), (NOON + 2, "ben", "Wang")]
    (newest,) = (each for each in forms.answers(connection, "2026-1") if each.id == "officer")
    assert (newest.text, newest.author, newest.at) == ("Wang", "ben", NOON + 2)
    logged = [(line.actor, line.action) for line in audit_log.newest_lines(connection, subject="2026-1")]
    assert logged == [("ben", "assessment.answer"), ("lea", "assessment.answer")]


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("nonsense", "a", "no field nonsense"),
        ("signed_on", "31.1.2026", "not a date"),
        ("service_address", "example.com", "http"),
        ("contact_phone", "call me", "not a phone"),
        ("method", "guess", "self, third_party"),
        ("service_type", ["app", "radio"], "website, app"),
        ("service_name", "a\nb", "one line"),
        ("officer", True, "in quotes"),
        ("officer", "x" * 20_001, "20000"),
    ],
)
def test_a_wrong_answer_is_refused_and_nothing_is_stored(
    connection: Connection, field: str, value: Any, told: str
) -> None:
    with pytest.raises(InputError, match=told):
        answer(connection, **{"function_name": "rooms", field: value})
    assert forms.history(connection, "2026-1", "function_name") == []


def test_a_final_report_and_an_unknown_assessment_take_no_answers(connection: Connection) -> None:
    with pytest.raises(CaseError, match="final"):
        forms.answer(connection, "2025-1", {"officer": "Li"}, "lea", NOON)
    with pytest.raises(Missing, match="2030-1"):
        forms.answer(connection, "2030-1", {"officer": "Li"}, "lea", NOON)


def test_an_answer_may_be_a_date_a_number_or_a_list(connection: Connection) -> None:
    given: dict[str, Any] = {"signed_on": date(2026, 1, 31), "contact_phone": 13800138000}
    assert len(answer(connection, service_type=["app", "website"], **given)) == 3
    (kinds,) = (each for each in forms.answers(connection, "2026-1") if each.id == "service_type")
    assert (kinds.text, kinds.shown("zh"), kinds.shown("en")) == ("app,website", "APP、网站", "App、Website")
