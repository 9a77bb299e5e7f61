"""`voxwarden topics`: the Kafka topics that the workers need."""

from typing import TYPE_CHECKING

import typer
from rich.table import Table

from pipeline.cli.app import Exit, app, settings_of, stdout

if TYPE_CHECKING:
    from agents.topics import Plan

topics = typer.Typer(no_args_is_help=True, help="The Kafka topics that the workers need: create them, check them.")
app.add_typer(topics, name="topics")


@topics.command()
def create(ctx: typer.Context) -> None:
    """Create the topics that are missing; leave alone those that are there.

    Partitions, replication and size come from the settings (`kafka.*`). Safe to repeat. If a topic is there but
    differs, it is shown, and the exit code is 3.

    Examples:
      voxwarden topics create
      voxwarden --set kafka.partitions=24 --set kafka.replication=3 topics create
    """
    from agents import topics as kafka_topics

    kafka = settings_of(ctx).kafka
    _report(kafka_topics.create(kafka), kafka.bootstrap, missing="created", failed=False)


@topics.command()
def check(ctx: typer.Context) -> None:
    """Compare the broker's topics with the settings; the exit code is 3 if one is missing or differs.

    For a topic that keeps records long after their retention, the command that mends it is shown.

    Example:
      voxwarden topics check
    """
    from agents import topics as kafka_topics

    kafka = settings_of(ctx).kafka
    _report(kafka_topics.plans(kafka), kafka.bootstrap, missing="missing: voxwarden topics create", failed=True)


def _report(plans: "list[Plan]", bootstrap: str, missing: str, failed: bool) -> None:
    """`failed`: whether a missing topic is a failure, or has just been made."""
    table = Table("Topic", "Partitions", "Replication", "Retention", "Largest record", "State")
    for plan in plans:
        state = missing if plan.missing else "; ".join(plan.differences) or "as it should be"
        shown = plan.found or plan.wanted
        table.add_row(
            plan.name,
            str(shown["partitions"]),
            str(shown["replication"]),
            _time(shown["retention.ms"]),
            f"{shown['max.message.bytes']:,} bytes",
            state,
        )
    stdout.print(table)
    for plan in plans:
        if too_long := plan.kept_too_long(bootstrap):
            stdout.print(too_long, soft_wrap=True, markup=False)
    if any(plan.differences or (failed and plan.missing) for plan in plans):
        raise typer.Exit(Exit.FAILED)


def _time(milliseconds: int) -> str:
    """As Kafka means it: less than none is no limit."""
    return "no limit" if milliseconds < 0 else f"{milliseconds / 3_600_000:g} h"
