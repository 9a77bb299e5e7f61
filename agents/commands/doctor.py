"""`voxwarden doctor`: find missing parts of this machine, or faults of a deployment."""

from typing import Annotated

import typer
from rich.markup import escape

from agents.commands.app import Exit, app, settings_of
from agents.commands.terminal import stdout

MARKS = {"ok": "[green]● ok[/]    ", "optional": "[yellow]◆ absent[/]", "fault": "[bold red]■ fault[/] "}


@app.command()
def doctor(
    ctx: typer.Context,
    deployment: Annotated[
        bool, typer.Option("--deployment", help="check a whole deployment, not this machine")
    ] = False,
    process: Annotated[
        list[str] | None, typer.Option(metavar="HOST:PORT", help="metrics of a process of the deployment; repeat it")
    ] = None,
    service: Annotated[
        list[str] | None, typer.Option(metavar="URL", help="a gateway, console or API of the deployment; repeat it")
    ] = None,
) -> None:
    """Check packages, weights, audio libraries, models, database and broker. Say how to get each missing part.

    With --deployment, check topics, workers, store, evidence, the webhook receiver, and each process and service that
    you name: whether it is ready, its version and its clock. Nothing is created, changed, downloaded or sent.

    Exits with 3 if something is wrong; on one machine, a missing broker only matters to the Kafka commands.

    Examples:
      voxwarden doctor
      voxwarden doctor --deployment --process judge:9108 --process console:9108 --service http://console:8080/healthz
    """
    from agents.machine_checks import examine

    settings = settings_of(ctx)
    checks = None
    if deployment or process or service:
        from agents import deployment_checks as whole

        checks = whole.checks(settings, process or (), service or ())
    failed = False
    for finding in examine(settings, checks):
        failed = failed or finding.state == "fault"
        stdout.print(
            f"{MARKS[finding.state]} {finding.what}: {escape(finding.detail)}", highlight=False, soft_wrap=True
        )
    raise typer.Exit(Exit.FAILED if failed else Exit.CLEAN)
