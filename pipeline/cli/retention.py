"""`voxwarden retention`: deleting what was kept long enough, legal holds, and erasing a speaker."""

import os
import pwd
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pipeline.cli.app import app, settings_of, stdout

if TYPE_CHECKING:
    from pipeline.review.database import Database

retention = typer.Typer(
    no_args_is_help=True, help="Delete what was kept long enough, hold it, erase a speaker.", rich_markup_mode="rich"
)
app.add_typer(retention, name="retention")

Kind = Literal["case", "speaker", "room"]


@retention.command("run")
def run_job(
    ctx: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would delete.")] = False,
) -> None:
    """Run the job now. The console's process runs it once a day by itself.

    It deletes clips and cases whose time is over (`retention` in the settings), what erasures have left, and old lines
    of the audit log, and notes each case there.
    """
    from pipeline.review.evidence.store import EvidenceFolder
    from pipeline.review.privacy import retention as job

    settings = settings_of(ctx)
    with _database(ctx) as database:
        if dry_run:
            done = job.preview(database, settings.retention, time.time())
        else:
            done = job.run(database, EvidenceFolder(settings.data_dir / "evidence"), settings.retention, time.time())
    verb = "Would delete" if dry_run else "Deleted"
    stdout.print(
        f"{verb} {done.clips} clips, {done.cases} cases, {done.lines} lines of the log; "
        f"erased {done.erased} cases; {done.held} are on legal hold.",
        soft_wrap=True,
        highlight=False,
    )


@retention.command("erase")
def erase_speaker(ctx: typer.Context, speaker: Annotated[str, typer.Argument(help="As the app names it.")]) -> None:
    """Erase a speaker: every case and clip of that voice, and its name on reports. There is no undo.

    What is on legal hold stays until the hold is released; the daily job erases it then.
    """
    from pipeline.review.evidence.store import EvidenceFolder
    from pipeline.review.privacy import erasure

    evidence = EvidenceFolder(settings_of(ctx).data_dir / "evidence")
    with _database(ctx) as database:
        with database.write() as connection:
            request = erasure.ask(connection, speaker, _actor(), time.time())
        done = erasure.carry_out(database, evidence, request, _actor(), time.time())
    stdout.print(f"Erased {done.cases} cases, {done.clips} clips; {done.held} are on legal hold.", highlight=False)


@retention.command("hold")
def place_hold(
    ctx: typer.Context,
    kind: Annotated[Kind, typer.Argument(help="case, speaker or room.")],
    subject: Annotated[str, typer.Argument(help="Its id.")],
    reason: Annotated[str, typer.Option(help="Who asked for it, under which reference.")],
) -> None:
    """Keep a case, a speaker's cases or a room's, whatever retention and erasures say."""
    from pipeline.review.privacy import holds

    with _database(ctx) as database, database.write() as connection:
        hold = holds.place(connection, kind, subject, reason, _actor(), time.time())
    stdout.print(hold.id, highlight=False)


@retention.command("release")
def release_hold(ctx: typer.Context, hold: Annotated[str, typer.Argument(help="Id of the hold.")]) -> None:
    """End a hold; the next run of the job deletes what is due."""
    from pipeline.review.privacy import holds

    with _database(ctx) as database, database.write() as connection:
        holds.release(connection, hold, _actor(), time.time())


@retention.command("holds")
def list_holds(ctx: typer.Context) -> None:
    """List the holds that stand."""
    from pipeline.review.privacy import holds

    with _database(ctx) as database, database.read() as connection:
        for hold in holds.active(connection):
            line = f"{hold.id}  {hold.kind} {hold.subject}  {hold.reason}  ({hold.placed_by})"
            stdout.print(line, highlight=False, markup=False, soft_wrap=True)


@contextmanager
def _database(ctx: typer.Context) -> "Iterator[Database]":
    from pipeline.review.database import Database

    database = Database(settings_of(ctx).database_url, must_exist=True)
    try:
        yield database
    finally:
        database.close()


def _actor() -> str:
    """Who sits at this machine, as its system knows him."""
    try:
        return f"cli:{pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:
        return f"cli:{os.getuid()}"
