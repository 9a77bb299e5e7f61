"""`voxwarden doctor`: what this machine lacks."""

import typer
from rich.markup import escape

from pipeline.cli.app import Exit, app, settings_of, stdout


@app.command()
def doctor(ctx: typer.Context) -> None:
    """Check packages, weights, audio libraries, models, database and broker. Say how to get each missing part.

    Nothing is created or downloaded.

    Exits with 3 if something is missing that every run needs; a missing broker only matters to the Kafka commands.
    """
    from agents.doctor import examine

    marks = {"ok": "[green]● ok[/]      ", "optional": "[yellow]◆ absent[/]  ", "missing": "[bold red]■ missing[/] "}
    failed = False
    for finding in examine(settings_of(ctx)):
        failed = failed or finding.state == "missing"
        stdout.print(f"{marks[finding.state]} {finding.what}: {escape(finding.detail)}", highlight=False)
    raise typer.Exit(Exit.FAILED if failed else Exit.CLEAN)
