"""The fields of the report that people fill in, and their answers.

`forms.yaml` has the fields. Each change of an answer is a new row with author and time. The caller opens the
transaction. Times are UTC seconds.
"""

import re
from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from msgspec import Struct
from pydantic import Field as Key
from pydantic import model_validator
from sqlalchemy import Connection, insert, select

from pipeline.base.errors import CaseError, InputError, Missing
from pipeline.base.user_files import StrictModel, read_user_file
from pipeline.review import audit_log
from pipeline.review.tables.assessment_tables import ANSWERS, ASSESSMENTS

FILE = Path(__file__).with_name("forms.yaml")
MAX_TEXT = 20_000

Part = Literal["1", "5(1)", "5(2)", "5(3)", "5(4)", "5(5)", "5(6)", "5(7)", "5(8)", "3", "4"]
FieldType = Literal["text", "long", "date", "url", "phone", "choice", "choices"]
Language = Literal["zh", "en"]

PATTERNS: dict[FieldType, re.Pattern[str]] = {
    "text": re.compile(".*"),
    "long": re.compile(".*", re.DOTALL),
    "phone": re.compile(r"[+0-9][0-9 ()-]{4,30}"),
    "url": re.compile(r"https?://\S{1,2000}"),
}
FAULTS: dict[FieldType, str] = {
    "text": "has more than one line",
    "date": "is not a date such as 2026-01-31",
    "phone": "is not a phone number",
    "url": "does not begin with http:// or https://",
}


class FieldText(StrictModel):
    """A text in both languages."""

    zh: str
    en: str

    def of(self, language: Language) -> str:
        """Return the text in a language."""
        return self.zh if language == "zh" else self.en


class Field(StrictModel):
    """A field of the form."""

    part: Part
    type: FieldType = "text"
    required: bool = False
    choices: dict[str, FieldText] = Key(default_factory=dict)
    only_if: dict[str, str] = Key(default_factory=dict, max_length=1)
    """The answer to another field after which this one is asked."""
    zh: str
    en: str
    help: FieldText

    @model_validator(mode="after")
    def _check(self) -> Self:
        if bool(self.choices) != (self.type in {"choice", "choices"}):
            raise ValueError("only a choice has choices, and it needs some")
        return self

    def name(self, language: Language) -> str:
        """Return the name in a language."""
        return self.zh if language == "zh" else self.en


class AnswerForm(StrictModel):
    """All fields, in the order of the report."""

    fields: dict[Annotated[str, Key(pattern="^[a-z][a-z0-9_]*$")], Field]

    @model_validator(mode="after")
    def _check(self) -> Self:
        for field in self.fields.values():
            for other, answer in field.only_if.items():
                if other not in self.fields or answer not in self.fields[other].choices:
                    raise ValueError(f"only_if: {other} has no choice {answer}")
        return self


class GivenAnswer(Struct, frozen=True, kw_only=True):
    """A field with its newest answer. `text` is empty until somebody writes one."""

    id: str
    field: Field
    text: str = ""
    author: str = ""
    at: float | None = None

    @property
    def missing(self) -> bool:
        return self.field.required and not self.text.strip()

    def shown(self, language: Language) -> str:
        """Return the text for a reader: the names of choices, not their keys."""
        if not self.field.choices:
            return self.text
        return "、".join(self.field.choices[key].of(language) for key in self.text.split(",") if key)


@cache
def form() -> AnswerForm:
    """Return the fields. Raises ConfigError if the file is wrong."""
    return read_user_file(FILE, AnswerForm)


def answers(connection: Connection, assessment: str) -> list[GivenAnswer]:
    """Return the fields that apply, with the newest answers, in the order of the report."""
    newest = _newest(connection, assessment)
    return [
        newest.get(name) or GivenAnswer(id=name, field=field)
        for name, field in form().fields.items()
        if all(other in newest and newest[other].text == text for other, text in field.only_if.items())
    ]


def missing(connection: Connection, assessment: str) -> list[GivenAnswer]:
    """Return the required fields that are empty."""
    return [answer for answer in answers(connection, assessment) if answer.missing]


def history(connection: Connection, assessment: str, field: str) -> list[tuple[float, str, str]]:
    """Return all answers to a field as (time, author, text), oldest first."""
    query = select(ANSWERS.c.at, ANSWERS.c.author, ANSWERS.c.text).order_by(ANSWERS.c.number)
    rows = connection.execute(query.where(ANSWERS.c.assessment == assessment, ANSWERS.c.field == field))
    return [(row.at, row.author, row.text) for row in rows]


def answer(connection: Connection, assessment: str, given: Mapping[str, Any], author: str, at: float) -> list[str]:
    """Store the answers that differ from the newest ones, and return their fields. An empty text clears an answer.

    Raises InputError, which names every wrong field; Missing for an unknown assessment; CaseError for a final one.
    """
    checked = _checked(given)
    lock(connection, assessment)
    # Only changes are stored. A form sends all of its fields, and the history would name wrong authors.
    stored = {each: rows[-1][2] for each in checked if (rows := history(connection, assessment, each))}
    changed = {each: text for each, text in checked.items() if text != stored.get(each, "")}
    for field, text in changed.items():
        number = len(history(connection, assessment, field)) + 1
        row = {"assessment": assessment, "field": field, "number": number, "text": text, "author": author, "at": at}
        connection.execute(insert(ANSWERS).values(row))
    if changed:
        audit_log.append(connection, at, author, "assessment.answer", assessment, {"fields": sorted(changed)})
    return list(changed)


def _newest(connection: Connection, assessment: str) -> dict[str, GivenAnswer]:
    query = select(ANSWERS).where(ANSWERS.c.assessment == assessment).order_by(ANSWERS.c.number)
    fields = form().fields
    return {
        row.field: GivenAnswer(id=row.field, field=fields[row.field], text=row.text, author=row.author, at=row.at)
        for row in connection.execute(query)
        if row.field in fields  # an earlier version of forms.yaml had others
    }


def lock(connection: Connection, assessment: str) -> None:
    """Let one writer at a time change what people give for a report. Raises Missing, and CaseError if it is final."""
    query = select(ASSESSMENTS.c.state).where(ASSESSMENTS.c.id == assessment).with_for_update()
    state = connection.scalar(query)
    if state is None:
        raise Missing(
            f"There is no assessment {assessment}",
            "Open one on the console's page Reports.",
            text="missing_assessment",
            id=assessment,
        )
    if state == "final":
        raise CaseError(
            f"The report of assessment {assessment} is final",
            "Open a new assessment for changes.",
            text="final",
            id=assessment,
        )


def _checked(given: Mapping[str, Any]) -> dict[str, str]:
    """Return the answers as text."""
    faults, checked = [], {}
    for name, value in given.items():
        field = form().fields.get(name)
        text = _text(value)
        if field is None:
            faults.append(f"there is no field {name}")
        elif text is None:
            faults.append(f"{name} must be text in quotes")
        elif fault := _fault(field, text):
            faults.append(f"{name} {fault}")
        else:
            checked[name] = text
    if faults:
        raise InputError(
            "The answers are wrong: " + "; ".join(faults), "Correct them. Nothing was stored.", text="answer"
        )
    return checked


def _text(value: Any) -> str | None:
    """Return a YAML value as text; None if it can be none."""
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ",".join(value)
    if isinstance(value, date):  # YAML turns 2026-01-31 without quotes into a date
        return value.isoformat()
    # YAML reads `no` as False, and a float loses digits (1.10), so both must be in quotes.
    return str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else None


def _fault(field: Field, text: str) -> str:
    """Tell what is wrong with an answer; empty if nothing is."""
    if len(text) > MAX_TEXT:
        return f"has more than {MAX_TEXT} characters"
    if text and not _fits(field, text):
        return f"must be one of {', '.join(field.choices)}" if field.choices else FAULTS[field.type]
    return ""


def _fits(field: Field, text: str) -> bool:
    """Tell whether a text is of the field's type."""
    match field.type:
        case "date":
            return _is_date(text)
        case "choice" | "choices":
            return set(text.split(",") if field.type == "choices" else [text]) <= set(field.choices)
        case kind:
            return PATTERNS[kind].fullmatch(text) is not None


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text  # Python also reads 20260131
    except ValueError:
        return False
