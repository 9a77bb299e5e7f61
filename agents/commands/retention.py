"""`voxwarden retention`: delete old data, and erase a speaker."""

import time
from typing import Annotated

import typer

from agents.commands.app import add_group, settings_of
from agents.commands.store import actor, database_of
from agents.commands.terminal import stdout

retention = add_group("retention", "Delete old data, and erase a speaker.")


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
            kept = settings.kafka.longest_retention_seconds  # so long, Kafka may deliver speech of an erased speaker
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
