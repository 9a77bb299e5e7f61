"""`voxwarden retention`: delete old data, place legal holds, and erase a speaker."""

import time
from typing import Annotated, Literal

import typer

from agents.commands.app import app, settings_of, stdout
from agents.commands.store_access import actor, database_of

retention = typer.Typer(
    no_args_is_help=True, help="Delete old data, place legal holds, and erase a speaker.", rich_markup_mode="rich"
)
app.add_typer(retention, name="retention")

Kind = Literal["case", "speaker", "room"]


@retention.command("run")
def run_job(
    ctx: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be deleted.")] = False,
) -> None:
    """Delete old data now.

    Use it to apply changed settings at once: the console's process runs this job only once a day. It deletes clips and
    cases whose retention has ended (`retention` in the settings), cases that erasures have left, and old lines of the
    audit log. The audit log records each case.

    Examples:
      voxwarden retention run --dry-run
      voxwarden retention run
    """
    from pipeline.review.evidence.evidence_store import open_evidence
    from pipeline.review.privacy import retention_job as job

    settings = settings_of(ctx)
    with database_of(ctx) as database:
        if dry_run:
            done = job.preview(database, settings.retention, time.time())
        else:
            kept = settings.kafka.longest_retention_seconds
            done = job.run_retention(database, open_evidence(settings), settings.retention, time.time(), kept)
    verb = "Would delete" if dry_run else "Deleted"
    stdout.print(
        f"{verb} {done.clips} clips, {done.cases} cases, {done.lines} lines of the log; "
        f"erased {done.erased} cases; {done.held} are on legal hold.",
        soft_wrap=True,
        highlight=False,
    )


@retention.command("erase")
def erase_speaker(
    ctx: typer.Context, speaker: Annotated[str, typer.Argument(help="The speaker's id in the app.")]
) -> None:
    """Erase a speaker: all cases and clips with the speaker's voice, and the id in reports. You cannot undo this.

    Use it when a user asks for deletion. Cases on legal hold stay until the hold is released; the daily job erases them
    then.

    Example:
      voxwarden retention erase user-4711
    """
    from pipeline.review.evidence.evidence_store import open_evidence
    from pipeline.review.privacy import erasure

    evidence = open_evidence(settings_of(ctx))
    with database_of(ctx) as database:
        with database.write() as connection:
            request = erasure.ask_erasure(connection, speaker, actor(), time.time())
        done = erasure.carry_out(database, evidence, request, actor(), time.time())
    stdout.print(f"Erased {done.cases} cases, {done.clips} clips; {done.held} are on legal hold.", highlight=False)


@retention.command("hold")
def place_hold(
    ctx: typer.Context,
    kind: Annotated[Kind, typer.Argument(help="What to hold: a case, a speaker or a room.")],
    subject: Annotated[str, typer.Argument(help="Id of the case, speaker or room.")],
    reason: Annotated[str, typer.Option(help="Who asked for the hold, with a reference.")],
) -> None:
    """Place a legal hold on a case, or on all cases of a speaker or a room.

    Use it when somebody must keep evidence. Neither retention nor an erasure deletes cases on hold. The command prints
    the id of the hold.

    Example:
      voxwarden retention hold speaker user-4711 --reason "police request 2026-18"
    """
    from pipeline.review.evidence.evidence_store import open_evidence
    from pipeline.review.privacy import holds

    with database_of(ctx) as database:
        evidence = open_evidence(settings_of(ctx))
        hold = holds.place_and_lock(database, evidence, kind, subject, reason, actor(), time.time())
    stdout.print(hold.id, highlight=False)


@retention.command("release")
def release_hold(ctx: typer.Context, hold: Annotated[str, typer.Argument(help="Id of the hold.")]) -> None:
    """Release a legal hold. The next retention run deletes what is due.

    Example:
      voxwarden retention release HOLD
    """
    from pipeline.review.evidence.evidence_store import open_evidence
    from pipeline.review.privacy import holds

    with database_of(ctx) as database:
        holds.release_and_unlock(database, open_evidence(settings_of(ctx)), hold, actor(), time.time())


@retention.command("holds")
def list_holds(ctx: typer.Context) -> None:
    """List the active legal holds.

    Example:
      voxwarden retention holds
    """
    from pipeline.review.privacy import holds

    with database_of(ctx) as database, database.read() as connection:
        for hold in holds.active(connection):
            line = f"{hold.id}  {hold.kind} {hold.subject}  {hold.reason}  ({hold.placed_by})"
            stdout.print(line, highlight=False, markup=False, soft_wrap=True)
