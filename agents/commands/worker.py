"""`voxwarden worker`: one stage of the pipeline, on Kafka; or all of them, each in a process of its own."""

import asyncio
import signal
import sys
from typing import Annotated

import typer

from pipeline.cli.app import app, settings_of, stderr
from pipeline.errors import ConfigError
from pipeline.settings import Settings
from pipeline.topology import STAGES

ALL = "all"
ROLES = tuple(stage.name for stage in STAGES)


@app.command()
def worker(
    ctx: typer.Context,
    role: Annotated[
        str,
        typer.Argument(metavar="|".join([*ROLES, ALL]), help="The stage to work at; or all, each in a process."),
    ],
    metrics_port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="Instead of metrics.port; 0 takes any free one.")
    ] = None,
    count: Annotated[
        list[str] | None, typer.Option(metavar="ROLE=NUMBER", help="With all: processes of a role, else one.")
    ] = None,
) -> None:
    """Work at one stage until SIGTERM or Ctrl-C; start as many as the topic has partitions.

    On a signal the batch in hand is finished and committed. On anything unexpected the process ends at once with exit
    code 3 and its batch un-acknowledged, so run it under a supervisor that starts it again: nothing is lost.

    Examples:
      voxwarden worker segment
      voxwarden worker transcribe --metrics-port 9110
      voxwarden worker all --count transcribe=2      one machine; starts again what ends
    """
    settings = _with_port(settings_of(ctx), metrics_port)
    if role == ALL:
        raise typer.Exit(asyncio.run(supervise(_commands(ctx, settings, counts_of(count or [])))))
    if count:
        raise ConfigError("--count is for `worker all`", "Start one more process of the role instead.")
    from agents.worker import work

    work(role, settings)


def counts_of(assignments: list[str]) -> dict[str, int]:
    """`["transcribe=2"]` as the number of processes of every role; raises ConfigError."""
    counts = dict.fromkeys(ROLES, 1)
    for assignment in assignments:
        role, _, number = assignment.partition("=")
        if role not in counts or not number.isdecimal():
            raise ConfigError(f"--count {assignment} is no count", f"Write ROLE=NUMBER; roles are {', '.join(counts)}.")
        counts[role] = int(number)
    return counts


def _commands(ctx: typer.Context, settings: Settings, counts: dict[str, int]) -> dict[str, list[str]]:
    """Each process's command: our own global options, a port of its own, and a fixed name where we have one."""
    options = ctx.find_root().params
    given = [text for each in options["assignments"] or [] for text in ("--set", each)]
    start = [sys.executable, "-m", "agents", *(["--verbose"] if options["verbose"] else []), *given]
    commands: dict[str, list[str]] = {}
    for role, number in counts.items():
        for nth in range(1, number + 1):
            name = f"{role}-{nth}"
            port = settings.metrics.port and settings.metrics.port + len(commands)
            fixed = ["--set", f"kafka.instance={settings.kafka.instance}-{nth}"] if settings.kafka.instance else []
            commands[name] = [*start, *fixed, "worker", role, "--metrics-port", str(port)]
    return commands


async def supervise(commands: dict[str, list[str]]) -> int:
    """Keep `commands`, by name, running until a signal; each ends with the port of its figures."""
    from agents.signals import stop_on_signals
    from agents.supervisor import Supervisor

    stop = stop_on_signals()
    stop_on_hangup(stop)
    for name, command in commands.items():
        stderr.print(f"{name:<14} figures on port {command[-1]}", style="dim", highlight=False)
    return await Supervisor(commands, lambda text: stderr.print(text, highlight=False)).run(stop)


def stop_on_hangup(stop: asyncio.Event) -> None:
    """Set `stop` when the terminal goes: our processes have sessions of their own, and would be left behind."""
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup wants us to stay
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, stop.set)


def _with_port(settings: Settings, port: int | None) -> Settings:
    if port is None:
        return settings
    return settings.model_copy(update={"metrics": settings.metrics.model_copy(update={"port": port})})
