"""`voxwarden assess hazard`: hazards, who fixes them by when, and the proof that they are gone."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from agents.commands.app import settings_of
from agents.commands.assess import assess
from agents.commands.assess_words import By, author, day, said, say, show, when
from agents.commands.cases import moment
from agents.commands.store_access import database_of
from pipeline.base.errors import InputError

if TYPE_CHECKING:
    from pipeline.assessment.hazards import Hazard
    from pipeline.review.database import Database
    from pipeline.review.quality.figure import Figure, Window

hazard = typer.Typer(
    no_args_is_help=True, help="Hazards: find, assign, fix, close with a proof.", rich_markup_mode="rich"
)
assess.add_typer(hazard, name="hazard")

Id = Annotated[str, typer.Argument(help="Id of the hazard.")]
Note = Annotated[str, typer.Option(help="What was done, or why.")]
Files = Annotated[
    list[Path] | None,
    typer.Option("--file", help="A file that proves it. Its path and SHA-256 are stored. Repeatable."),
]
Since = Annotated[str, typer.Option(help="Begin of the window: an age such as 90d, or a UTC time such as 2026-01-31.")]


@hazard.command("list")
def list_hazards(
    ctx: typer.Context,
    state: Annotated[Literal["open", "fixed", "closed"] | None, typer.Option(help="Only in this state.")] = None,
) -> None:
    """List the hazards, oldest first.

    Example:
      voxwarden assess hazard list --state open
    """
    from pipeline.assessment import hazards

    with database_of(ctx) as database, database.read() as connection:
        found = hazards.all_of(connection, state)
    _show_all(found, "No hazards.")


@hazard.command("show")
def show_hazard(ctx: typer.Context, identity: Id) -> None:
    """Show one hazard with its history and proofs.

    Example:
      voxwarden assess hazard show 1a2b3c4d5e
    """
    from pipeline.assessment import hazards

    with database_of(ctx) as database, database.read() as connection:
        found = hazards.get(connection, identity)
    _show(found)
    for step in found.steps:
        show(f"  {step.number}  {when(step.at)}  {said(step.state):6}  {step.author}  {step.note}")
        for proof in step.evidence:
            show("       " + "  ".join(f"{key} {value}" for key, value in proof.items()))


@hazard.command()
def find(ctx: typer.Context, since: Since = "90d", by: By = None) -> None:
    """Open a hazard for each figure that misses your limit, for each incident, and for the last drills if they failed.

    Example:
      voxwarden assess hazard find --since 90d
    """
    from pipeline.assessment import drills, hazards, register

    with database_of(ctx) as database:
        figures, _ = _figures(ctx, database, since)
        with database.write() as connection:
            found = [*hazards.of_figures(figures), *register.incidents(connection), *drills.failures(connection)]
            opened = hazards.find_all(connection, found, author(by), time.time())
    _show_all(opened, "No new hazards. A figure needs a limit in assessment.limits to miss it.")


@hazard.command()
def add(
    ctx: typer.Context,
    title: Annotated[str, typer.Argument(help="What is wrong.")],
    about: Annotated[str, typer.Option(help="The item of article 5 or the indicator, e.g. '5(5)' or I-02.")],
    owner: Annotated[str, typer.Option(help="Who fixes it.")] = "",
    due: Annotated[str | None, typer.Option(help="By when, e.g. 2026-01-31.")] = None,
    by: By = None,
) -> None:
    """Record a hazard that a person found.

    Example:
      voxwarden assess hazard add "backups are not encrypted" --about "5(5)" --owner lin --due 2026-01-31
    """
    from pipeline.assessment import hazards
    from pipeline.assessment.hazards import Finding

    _check_subject(about)
    finding = Finding(source="person", about=about, title=title, owner=owner, due=day(due, "--due"))
    with database_of(ctx) as database, database.write() as connection:
        made = hazards.find_all(connection, [finding], author(by), time.time())
    if not made:
        raise InputError(f"Hazard {finding.id} already says so", "`voxwarden assess hazard list` shows it.")
    _show(made[0])


@hazard.command()
def assign(
    ctx: typer.Context,
    identity: Id,
    owner: Annotated[str, typer.Option(help="Who fixes it.")],
    due: Annotated[str | None, typer.Option(help="By when, e.g. 2026-01-31.")] = None,
    by: By = None,
) -> None:
    """Set who fixes a hazard, and by when.

    Example:
      voxwarden assess hazard assign 1a2b3c4d5e --owner lin --due 2026-01-31
    """
    from pipeline.assessment import hazards

    with database_of(ctx) as database, database.write() as connection:
        _show(hazards.assign(connection, identity, owner, day(due, "--due"), author(by), time.time()))


@hazard.command()
def fix(ctx: typer.Context, identity: Id, note: Note, files: Files = None, by: By = None) -> None:
    """Record that the cause of an open hazard is removed.

    Example:
      voxwarden assess hazard fix 1a2b3c4d5e --note "two more workers"
    """
    from pipeline.assessment import hazards, proofs

    given = [proofs.of_file(file) for file in files or []]
    with database_of(ctx) as database, database.write() as connection:
        _show(hazards.fix(connection, identity, note, author(by), time.time(), given))


@hazard.command()
def close(ctx: typer.Context, identity: Id, files: Files = None, note: Note = "", by: By = None) -> None:
    """Close a fixed hazard with a file that proves it. `recheck` closes those that a later figure proves.

    Example:
      voxwarden assess hazard close 1a2b3c4d5e --file test-report.pdf
    """
    from pipeline.assessment import hazards, proofs

    given = [proofs.of_file(file) for file in files or []]
    with database_of(ctx) as database, database.write() as connection:
        _show(hazards.close(connection, identity, note, author(by), time.time(), given))


@hazard.command()
def recheck(ctx: typer.Context, since: Since, by: By = None) -> None:
    """Close the fixed hazards whose figure now keeps its limit, or whose drill has gone right since the fix.

    It measures the window from --since to now. The window must begin after the fix.

    Example:
      voxwarden assess hazard recheck --since 7d
    """
    from pipeline.assessment import drills, hazards

    with database_of(ctx) as database:
        figures, window = _figures(ctx, database, since)
        with database.write() as connection:
            closed = hazards.recheck(connection, figures, window, author(by), time.time())
            closed += drills.recheck(connection, author(by), time.time())
    _show_all(closed, "No fixed hazard is proved yet.")


@hazard.command()
def reopen(ctx: typer.Context, identity: Id, note: Note, by: By = None) -> None:
    """Open a fixed or closed hazard again.

    Example:
      voxwarden assess hazard reopen 1a2b3c4d5e --note "it happened again"
    """
    from pipeline.assessment import hazards

    with database_of(ctx) as database, database.write() as connection:
        _show(hazards.reopen(connection, identity, note, author(by), time.time()))


def _figures(ctx: typer.Context, database: "Database", since: str) -> "tuple[list[Figure], Window]":
    """Measure the window from `since` to now."""
    from pipeline.assessment import measure
    from pipeline.assessment import options as choices
    from pipeline.review.quality.figure import Window

    now = time.time()
    window = Window(moment(since, now), now)
    with database.read() as connection:
        return measure.measure(connection, window, choices.build(settings_of(ctx))), window


def _check_subject(about: str) -> None:
    from pipeline.assessment.catalogue import INDICATORS
    from pipeline.assessment.report.content import ITEMS

    if about not in ITEMS and about.partition(".")[0] not in INDICATORS:
        raise InputError(f"There is no item or indicator {about}", "Give 5(1) to 5(8), or I-01 to I-32.")


def _show_all(found: "Sequence[Hazard]", none: str) -> None:
    for each in found:
        _show(each)
    if not found:
        say(none)


def _show(found: "Hazard") -> None:
    state, source = said(found.state), said(found.source)
    duty = said("due {due}  owner {owner}", due=found.due or "-", owner=found.owner or "-")
    show(f"{found.id}  {state:6}  {source:9}  {duty}  {found.about}  {found.title}")
