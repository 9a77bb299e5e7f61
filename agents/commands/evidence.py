"""`voxwarden evidence`: try the storage of clips, check the stored clips, and change their key."""

from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from agents.commands.app import Exit, add_group, settings_of
from agents.commands.store import database_of
from agents.commands.terminal import progress_bar, stdout
from pipeline.base.errors import ConfigError

if TYPE_CHECKING:
    from pipeline.review.database import Database
    from pipeline.review.evidence.evidence_maintenance import StoredClip

evidence = add_group("evidence", "Try the storage of clips, check the stored clips, and change their key.")

GOOD, BAD = "[green]● {}[/]", "[bold red]■ {}[/]"
FAULTS = {"changed", "missing"}


class Role(StrEnum):
    """An account of the storage; RIGHTS of evidence_maintenance.py has what each may do."""

    DELIVER = "deliver"
    CONSOLE = "console"
    RETENTION = "retention"


@evidence.command("check")
def check_evidence(
    ctx: typer.Context,
    role: Annotated[Role | None, typer.Option(help="Whose account this is: a right too many is a fault, too.")] = None,
) -> None:
    """Write a small clip, read it, lock it, delete it, and tell what this account may do.

    Use it when you set up S3, with the credentials of each role: its output must match the table of rights in
    docs/evidence.md. It also shows whether the server encrypts, if the settings ask for it.

    Exits with 3 if a step is refused. With --role, exits with 3 if the account has not exactly the rights of the role.

    Examples:
      voxwarden evidence check
      voxwarden evidence check --role deliver
    """
    from pipeline.review.evidence.evidence_maintenance import is_right, probe
    from pipeline.review.evidence.evidence_store import open_evidence

    settings, wrong = settings_of(ctx), False
    for step in probe(open_evidence(settings)):
        right = is_right(step, role, settings) if role else step.done
        wrong = wrong or not right
        word = ("ok" if right else "allowed") if step.done else "refused"
        mark = (GOOD if right else BAD).format(f"{word:<7}")
        stdout.print(f"{mark} {step.name}: {escape(step.detail)}", highlight=False, soft_wrap=True)
    raise typer.Exit(Exit.FAILED if wrong else Exit.CLEAN)


@evidence.command()
def verify(ctx: typer.Context) -> None:
    """Read the clips of all cases and compare each with its SHA-256 in the database.

    Use it after you restored a backup or moved the clips. Each clip that is changed or missing is a line.

    Exits with 3 if there is such a clip.

    Example:
      voxwarden evidence verify
    """
    from pipeline.review.evidence import evidence_maintenance
    from pipeline.review.evidence.evidence_store import open_evidence

    store = open_evidence(settings_of(ctx))

    def work(database: "Database", clip: "StoredClip") -> str:
        del database
        found = evidence_maintenance.read_clip(store, clip)
        return "intact" if isinstance(found, bytes) else found

    _for_each(ctx, work)


@evidence.command()
def rotate(
    ctx: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count the clips that would change.")] = False,
) -> None:
    """Encrypt all clips with the current key: clips with older keys, and clips that are not encrypted.

    Use it after you put a new key first in the settings. You can interrupt and repeat it, and deliver and the console
    may run meanwhile. When it ends with 0, no clip needs the older keys any more.

    Exits with 3 if a clip is changed or missing.

    Examples:
      voxwarden evidence rotate --dry-run
      voxwarden evidence rotate
    """
    from pipeline.review.evidence import evidence_maintenance
    from pipeline.review.evidence.evidence_store import open_evidence

    store = open_evidence(settings_of(ctx))
    if not store.ring.current:
        raise ConfigError("There is no key in evidence.encryption", "Set a key first; docs/evidence.md shows how.")

    def planned(database: "Database", clip: "StoredClip") -> str:
        del database
        return evidence_maintenance.renewal(store, clip)

    def renewed(database: "Database", clip: "StoredClip") -> str:
        return evidence_maintenance.renew(database, store, clip)

    _for_each(ctx, planned if dry_run else renewed)


def _for_each(ctx: typer.Context, work: "Callable[[Database, StoredClip], str]") -> None:
    """Do `work` for the clip of each case, print its faults and count its results. Exits with 3 if there is a fault."""
    from pipeline.review.evidence import evidence_maintenance

    results = Counter[str]()
    with database_of(ctx) as database, progress_bar() as bar:
        task = bar.add_task("clips", total=evidence_maintenance.count_clips(database))
        for clip in evidence_maintenance.all_clips(database):
            result = work(database, clip)
            # Deliver and the console run meanwhile: a merge or the retention may have replaced the clip.
            if result in FAULTS and not evidence_maintenance.is_named(database, clip):
                result = "replaced meanwhile"
            results[result] += 1
            if result in FAULTS:
                stdout.print(f"{result}: {clip.path} (case {clip.case})", highlight=False, soft_wrap=True)
            bar.advance(task)
    counts = ", ".join(f"{number} {result}" for result, number in sorted(results.items()))
    stdout.print(f"{results.total()} clips: {counts}" if results else "No clips.", highlight=False)
    raise typer.Exit(Exit.FAILED if FAULTS & results.keys() else Exit.CLEAN)
