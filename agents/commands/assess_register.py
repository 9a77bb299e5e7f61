"""`voxwarden assess register`: requests of authorities, incidents, changes, and other matters that only people know."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from agents.commands.assess import assess
from agents.commands.assess_words import By, author, said, show, when
from agents.commands.cases import moment
from agents.commands.store_access import database_of
from pipeline.base.errors import InputError

if TYPE_CHECKING:
    from pipeline.assessment.register import Kind, Record

register = typer.Typer(no_args_is_help=True, help="The register of what only people know.", rich_markup_mode="rich")
assess.add_typer(register, name="register")

Id = Annotated[str, typer.Argument(help="Id of the entry.")]
Fields = Annotated[
    list[str] | None, typer.Option("--field", metavar="NAME=VALUE", help="A field of the entry. Repeat it for more.")
]


@register.command()
def kinds(ctx: typer.Context) -> None:
    """List the kinds of entries with their fields. A star marks a required field.

    Example:
      voxwarden assess register kinds
    """
    del ctx
    import inspect

    from pipeline.assessment.register import KINDS

    for kind, entry in KINDS.items():
        required = entry.__struct_fields__[: len(entry.__struct_fields__) - len(entry.__struct_defaults__)]
        show(f"{kind}: {said(inspect.cleandoc(entry.__doc__ or ''))}")
        show("  " + ", ".join(f"{name}*" if name in required else name for name in entry.__struct_fields__))


@register.command("list")
def list_entries(
    ctx: typer.Context,
    kind: Annotated[str | None, typer.Option(help="Only entries of this kind.")] = None,
    still_open: Annotated[bool, typer.Option("--open", help="Only entries that are not closed.")] = False,
) -> None:
    """List the entries, newest first.

    Example:
      voxwarden assess register list --kind authority_request --open
    """
    from pipeline.assessment import register as book

    chosen = _kind(kind) if kind else None
    with database_of(ctx) as database, database.read() as connection:
        for record in book.all_of(connection, chosen, still_open=still_open):
            _show(record)


@register.command()
def add(
    ctx: typer.Context,
    kind: Annotated[str, typer.Argument(help="Kind of the entry; `kinds` lists them.")],
    fields: Fields = None,
    opened: Annotated[str | None, typer.Option(help="When it began: an age such as 2h, or a UTC time.")] = None,
    due: Annotated[str | None, typer.Option(help="UTC time at which it is due.")] = None,
    closed: Annotated[str | None, typer.Option(help="When it ended: an age such as 1h, or a UTC time.")] = None,
    by: By = None,
) -> None:
    """Add an entry. A police report is due 24 hours after it was opened.

    Examples:
      voxwarden assess register add incident --field title="broker down" --field severity=high --opened 2h
      voxwarden assess register add restore_test --field backup="store of 1 May" --field result=passed --closed 0m
    """
    from pipeline.assessment import register as book

    now = time.time()
    times = {
        f"{name}_at": moment(text, now, f"--{name}")
        for name, text in (("opened", opened), ("due", due), ("closed", closed))
        if text
    }
    with database_of(ctx) as database, database.write() as connection:
        _show(book.add(connection, _kind(kind), _fields(fields), author(by), now, **times))


@register.command()
def change(ctx: typer.Context, identity: Id, fields: Fields = None, by: By = None) -> None:
    """Change fields of an entry.

    Example:
      voxwarden assess register change 1a2b3c4d5e6f --field cause="a full disk"
    """
    from pipeline.assessment import register as book

    with database_of(ctx) as database, database.write() as connection:
        _show(book.change(connection, identity, _fields(fields), author(by), time.time()))


@register.command()
def close(
    ctx: typer.Context,
    identity: Id,
    at: Annotated[
        str | None, typer.Option(help="When it ended: an age such as 1h, or a UTC time. Default: now.")
    ] = None,
    by: By = None,
) -> None:
    """Close an entry: the request is answered, or the incident is over.

    Example:
      voxwarden assess register close 1a2b3c4d5e6f --at 30m
    """
    from pipeline.assessment import register as book

    now = time.time()
    ended = moment(at, now, "--at") if at else None
    with database_of(ctx) as database, database.write() as connection:
        _show(book.close(connection, identity, author(by), now, ended))


def _kind(name: str) -> "Kind":
    from pipeline.assessment.register import KINDS

    found = next((kind for kind in KINDS if kind == name), None)
    if found is None:
        raise InputError(f"The register has no kind {name}", f"Its kinds are {', '.join(KINDS)}.")
    return found


def _fields(given: Sequence[str] | None) -> dict[str, str]:
    """Return `["a=b"]` as `{"a": "b"}`. Raises InputError."""
    fields: dict[str, str] = {}
    for each in given or ():
        name, equals, value = each.partition("=")
        if not equals:
            raise InputError(f"--field {each} has no '='", "Write it as --field title=VALUE.")
        fields[name] = value
    return fields


def _show(record: "Record") -> None:
    fields = "  ".join(f"{name}={value}" for name, value in record.fields.items() if value != "")
    times = said(
        "opened {opened}  due {due}  closed {closed}",
        opened=when(record.opened_at),
        due=when(record.due_at),
        closed=when(record.closed_at),
    )
    show(f"{record.id}  {record.kind}  {times}  {fields}")
