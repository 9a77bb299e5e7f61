"""`voxwarden topics`: create and check the Kafka topics that the workers need."""

from typing import TYPE_CHECKING

import typer
from rich.table import Table

from agents.commands.app import Exit, add_group, settings_of
from agents.commands.terminal import Whole, stdout

if TYPE_CHECKING:
    from agents.broker.kafka_topics import Plan

topics = add_group("topics", "Create and check the Kafka topics that the workers need.")


@topics.command()
def create(ctx: typer.Context) -> None:
    """Create the missing Kafka topics, and leave existing ones unchanged.

    Use it before you start the first worker. You can repeat it safely. Partitions, replication and record size come
    from the settings (`kafka.*`). If an existing topic differs from the settings, the difference is shown and the exit
    code is 3.

    Examples:
      voxwarden topics create
      voxwarden --set kafka.partitions=24 --set kafka.replication=3 topics create
    """
    from agents.broker import kafka_topics

    kafka = settings_of(ctx).kafka
    _report(kafka_topics.create(kafka), kafka.bootstrap, missing="created", failed=False)


@topics.command("check")
def check_topics(ctx: typer.Context) -> None:
    """Compare the broker's topics with the settings.

    Use it after you have changed settings or topics. The exit code is 3 if a topic is missing or differs. If a topic
    keeps records longer than its retention, the command that fixes it is shown.

    Example:
      voxwarden topics check
    """
    from agents.broker import kafka_topics

    kafka = settings_of(ctx).kafka
    _report(kafka_topics.plans(kafka), kafka.bootstrap, missing="missing; run voxwarden topics create", failed=True)


def _report(plans: "list[Plan]", bootstrap: str, missing: str, failed: bool) -> None:
    """Print the topics. Exit with 3 if one differs, or if one is missing and `failed` is set."""
    table = Table("Topic", "Partitions", "Replication", "Retention", "Largest record", "State")
    for plan in plans:
        state = missing if plan.missing else "; ".join(plan.differences) or "as wanted"
        shown = plan.found or plan.wanted
        table.add_row(
            plan.name,
            str(shown["partitions"]),
            str(shown["replication"]),
            _time(shown["retention.ms"]),
            f"{shown['max.message.bytes']:,} bytes",
            state,
        )
    stdout.print(Whole(table), crop=False)
    for plan in plans:
        if too_long := plan.retention_problem(bootstrap):
            stdout.print(too_long, soft_wrap=True, markup=False)
    if any(plan.differences or (failed and plan.missing) for plan in plans):
        raise typer.Exit(Exit.FAILED)


def _time(milliseconds: int) -> str:
    """Return a retention in hours. Kafka uses a negative retention for no limit."""
    return "no limit" if milliseconds < 0 else f"{milliseconds / 3_600_000:g} h"
