"""`voxwarden assess trigger`: the cases of article 3 that the data suggest, and what people decide."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from agents.commands.app import settings_of
from agents.commands.assess import assess
from agents.commands.assess_words import By, author, day, language, said, show, warn, when
from agents.commands.store_access import database_of

if TYPE_CHECKING:
    from pipeline.assessment.triggers import Trigger

trigger = typer.Typer(
    no_args_is_help=True, help="Suggested cases of article 3: watch, accept, reject.", rich_markup_mode="rich"
)
assess.add_typer(trigger, name="trigger")

CALENDAR = (
    "The working days of {year} are not known, so due dates are not set. "
    "Write the dates that the State Council published to {file}, beside the settings file that VOXWARDEN_CONFIG names."
)
"""Said once for each year."""
Id = Annotated[str, typer.Argument(help="Id of the trigger.")]
Reason = Annotated[str, typer.Option(help="Why. It is stored and written to the audit log.")]


@trigger.command()
def watch(ctx: typer.Context) -> None:
    """Look for signs of a case of article 3, and print the new ones.

    Run it once a day, for example with cron. It looks for new types of rooms and languages, changed models and
    policies, growth since the last assessment, late and missed illegal cases, exposure and spread. It only suggests.

    Example:
      voxwarden assess trigger watch
    """
    from pipeline.assessment import article3_signals
    from pipeline.assessment.workdays import calendar

    with database_of(ctx) as database:
        _show(article3_signals.watch(database, settings_of(ctx), calendar(), time.time()))


@trigger.command("list")
def list_triggers(
    ctx: typer.Context,
    state: Annotated[
        Literal["suggested", "accepted", "rejected"] | None, typer.Option(help="Only triggers in this state.")
    ] = None,
) -> None:
    """List the triggers, newest first, with their due dates.

    Example:
      voxwarden assess trigger list --state suggested
    """
    from pipeline.assessment import triggers

    with database_of(ctx) as database, database.read() as connection:
        _show(triggers.all_of(connection, state))


@trigger.command()
def accept(ctx: typer.Context, identity: Id, reason: Reason, by: By = None) -> None:
    """Confirm that a trigger is a case of article 3, so that an assessment is due.

    Example:
      voxwarden assess trigger accept 3.3-1a2b3c4d5e --reason "the campaign doubled our users"
    """
    _decide(ctx, identity, reason, by, accepted=True)


@trigger.command()
def reject(ctx: typer.Context, identity: Id, reason: Reason, by: By = None) -> None:
    """Record that a trigger is no case of article 3.

    Example:
      voxwarden assess trigger reject 3.1-1a2b3c4d5e --reason "a test room, not open to users"
    """
    _decide(ctx, identity, reason, by, accepted=False)


@trigger.command()
def notice(
    ctx: typer.Context,
    authority: Annotated[str, typer.Option(help="The authority that sent it.")],
    date: Annotated[str, typer.Option(help="Date of the notice, e.g. 2026-01-31.")],
    scan: Annotated[Path, typer.Option(help="The scanned notice. Its path and SHA-256 are stored.")],
    by: By = None,
) -> None:
    """Record a written notice of an authority: case 3(5).

    Example:
      voxwarden assess trigger notice --authority 市网信办 --date 2026-01-31 --scan notice.pdf
    """
    from pipeline.assessment import proofs, triggers
    from pipeline.assessment.workdays import calendar

    proof, dated = proofs.of_file(scan), day(date, "--date")
    assert dated is not None  # noqa: S101 - the option is required
    with database_of(ctx) as database, database.write() as connection:
        made = triggers.record_notice(connection, authority, dated, proof, author(by), calendar(), time.time())
    _show([made])


def _decide(ctx: typer.Context, identity: str, reason: str, by: str | None, *, accepted: bool) -> None:
    from pipeline.assessment import triggers

    with database_of(ctx) as database, database.write() as connection:
        _show([triggers.decide(connection, identity, accepted, reason, author(by), time.time())])


def _show(found: "Sequence[Trigger]") -> None:
    """Print triggers, and warn once about each year without a calendar."""
    from pipeline.assessment import triggers
    from pipeline.assessment.report.wording import signal
    from pipeline.assessment.workdays import calendar

    days = calendar()
    for each in found:
        due = said("before launch") if each.before_launch else each.due or said("undetermined")
        name = signal(each.signal, language())
        state = said("{state:9}  {found}  due {due}", state=said(each.state), found=when(each.found_at), due=due)
        show(f"{each.id}  {state}  {name}  {each.reason}")
    undated = [triggers.due_of(each, days).without for each in found if not each.due]
    for year in sorted({year for year in undated if year}):
        warn(CALENDAR, year=year, file=days.file(year))
