"""`voxwarden worker`: one stage of the pipeline, on Kafka."""

from enum import StrEnum
from typing import Annotated

import typer

from pipeline.cli.app import app, settings_of
from pipeline.settings import Settings


class Role(StrEnum):
    SEGMENT = "segment"
    TRANSCRIBE = "transcribe"
    JUDGE = "judge"
    DELIVER = "deliver"


@app.command()
def worker(
    ctx: typer.Context,
    role: Annotated[Role, typer.Argument(help="The stage to work at.", show_default=False)],
    metrics_port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="Instead of metrics.port; 0 takes any free one.")
    ] = None,
) -> None:
    """Work at one stage until SIGTERM or Ctrl-C; start as many as the topic has partitions.

    On a signal the batch in hand is finished and committed. On anything unexpected the process ends at once with exit
    code 3 and its batch un-acknowledged, so run it under a supervisor that starts it again: nothing is lost.

    Examples:
      voxwarden worker segment
      voxwarden worker transcribe --metrics-port 9110
    """
    from agents.worker import work

    work(role.value, _with_port(settings_of(ctx), metrics_port))


def _with_port(settings: Settings, port: int | None) -> Settings:
    if port is None:
        return settings
    return settings.model_copy(update={"metrics": settings.metrics.model_copy(update={"port": port})})
