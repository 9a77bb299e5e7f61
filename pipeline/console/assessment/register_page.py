"""The pages of the register (台账): its entries by kind, and one entry with its changes in the audit log."""

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, Path, Query, Request
from fastapi.responses import HTMLResponse, Response
from msgspec import Struct, inspect
from pydantic import NaiveDatetime

from pipeline.assessment import register
from pipeline.assessment.register import KINDS, Kind
from pipeline.assessment.report import wording
from pipeline.base.errors import InputError
from pipeline.console.assessment.assessment_pages import assessment_page, go, report_language, report_zone
from pipeline.console.services import Signed, TheServices
from pipeline.review import audit_log

router = APIRouter(prefix="/assessment/register")

MOST = 200  # the most entries in the list
LINE = 500  # the longest text, in characters, for which a form has one line
PREFIX = "field."  # begins the name of a form's input for a field of the entry

FieldKind = Literal["line", "long", "count", "share", "flag", "choice"]
EntryId = Annotated[str, Path(pattern="^[0-9a-f]{1,32}$")]
# A time of a form, in the zone of the report.
TimeForm = Annotated[NaiveDatetime | None, Form(ge=datetime(2000, 1, 1), lt=datetime(2100, 1, 1))]


class EntryField(Struct, frozen=True):
    """A field of a kind of entries, for its input."""

    name: str
    kind: FieldKind
    required: bool
    choices: tuple[str, ...] = ()


async def given(request: Request) -> dict[str, str]:
    """Return the inputs of a form whose names begin with PREFIX. Raises InputError for a NUL character."""
    form = await request.form()
    # The kinds have different fields, so FastAPI cannot name them as parameters.
    found = {name.removeprefix(PREFIX): str(text) for name, text in form.items() if name.startswith(PREFIX)}
    # PostgreSQL cannot store it.
    if any("\x00" in text for text in found.values()):
        raise InputError("A field has a NUL character", "Remove it.", text="invalid")
    return found


Given = Annotated[dict[str, str], Depends(given)]


@router.get("", response_class=HTMLResponse)
def register_page(
    request: Request,
    services: TheServices,
    kind: Annotated[Kind | None, Query()] = None,
    still_open: Annotated[bool, Query(alias="open")] = False,
) -> Response:
    """List the entries, newest first, at most MOST: of one kind, or only open ones, if the reader asks."""
    with services.database.read() as connection:
        found = register.all_records(connection, kind, still_open=still_open, limit=MOST)
    return _show(request, "assessment_register.html", entries=found, kind=kind, still_open=still_open, most=MOST)


@router.get("/new", response_class=HTMLResponse)
def new_entry(request: Request, kind: Annotated[Kind, Query()]) -> Response:
    """Show the form of a new entry."""
    return _show(request, "assessment_new_entry.html", kind=kind, fields=fields_of(kind))


@router.post("")
def add_entry(
    request: Request,
    services: TheServices,
    session: Signed,
    given: Given,
    kind: Annotated[Kind, Form()],
    opened: TimeForm = None,
    due: TimeForm = None,
    closed: TimeForm = None,
) -> Response:
    """Store an entry. Without `opened`, it is opened now."""
    zone = report_zone(services)
    times = {"opened_at": _seconds(opened, zone), "due_at": _seconds(due, zone), "closed_at": _seconds(closed, zone)}
    with services.database.write() as connection:
        made = register.add(connection, kind, _values(kind, given), session.account.name, services.clock(), **times)
    return go(request, f"/assessment/register/{made.id}")


@router.get("/{entry}", response_class=HTMLResponse)
def entry_page(request: Request, services: TheServices, entry: EntryId) -> Response:
    """Show one entry with its lines of the audit log."""
    with services.database.read() as connection:
        found = register.get(connection, entry)
        lines = audit_log.newest_lines(connection, subject=entry)
    return _show(request, "assessment_entry.html", entry=found, fields=fields_of(found.kind), lines=lines)


@router.post("/{entry}")
def change_entry(request: Request, services: TheServices, session: Signed, entry: EntryId, given: Given) -> Response:
    """Change the fields of an entry that the form has."""
    with services.database.write() as connection:
        kind = register.get(connection, entry).kind
        register.change(connection, entry, _values(kind, given), session.account.name, services.clock())
    return go(request, f"/assessment/register/{entry}")


@router.post("/{entry}/close")
def close_entry(
    request: Request, services: TheServices, session: Signed, entry: EntryId, closed: TimeForm = None
) -> Response:
    """Close an entry, now if the form has no time. 409 if it is closed."""
    with services.database.write() as connection:
        register.close(
            connection, entry, session.account.name, services.clock(), _seconds(closed, report_zone(services))
        )
    return go(request, f"/assessment/register/{entry}")


def fields_of(kind: Kind) -> list[EntryField]:
    """Return the fields of a kind, in the order of its class."""
    described = inspect.type_info(KINDS[kind])
    assert isinstance(described, inspect.StructType)  # noqa: S101 - all kinds are structs
    return [_field(each) for each in described.fields]


def _field(field: inspect.Field) -> EntryField:
    match field.type:
        case inspect.LiteralType(values=values):
            return EntryField(field.name, "choice", field.required, tuple(map(str, values)))
        case inspect.BoolType():
            return EntryField(field.name, "flag", False)
        case inspect.IntType():
            return EntryField(field.name, "count", field.required)
        case inspect.FloatType():
            return EntryField(field.name, "share", field.required)
        case inspect.StrType(max_length=int(most)) if most > LINE:
            return EntryField(field.name, "long", field.required)
        case _:
            return EntryField(field.name, "line", field.required)


def _values(kind: Kind, given: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of a form. An empty number is left out."""
    # Browsers send nothing for a box without a tick, so a missing field means no.
    flags = {field.name: field.name in given for field in fields_of(kind) if field.kind == "flag"}
    numbers = {field.name for field in fields_of(kind) if field.kind in {"count", "share"}}
    return {name: text for name, text in given.items() if text or name not in numbers} | flags


def _seconds(moment: datetime | None, zone: tzinfo) -> float | None:
    return None if moment is None else moment.replace(tzinfo=zone).timestamp()


def _show(request: Request, template: str, **values: Any) -> HTMLResponse:
    return assessment_page(request, template, kinds=wording.texts(report_language(request))["register"], **values)
