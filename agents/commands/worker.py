"""`voxwarden worker`: run one stage of the pipeline on Kafka, or all stages with one process each."""

import asyncio
import signal
import sys
from typing import Annotated

import typer

from agents.commands.app import app, settings_of, with_options
from agents.commands.terminal import stderr
from pipeline.base.errors import ConfigError
from pipeline.base.libraries import without_collection
from pipeline.contract.topology import STAGES
from pipeline.settings import Settings

ALL = "all"
ROLES = tuple(stage.name for stage in STAGES)


@app.command()
def worker(
    ctx: typer.Context,
    role: Annotated[
        str,
        typer.Argument(metavar="|".join([*ROLES, ALL]), help="The stage to run, or all: one process for each stage."),
    ],
    metrics_port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, help="Port of the metrics, instead of metrics.port. 0 takes any free port."),
    ] = None,
    count: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROLE=NUMBER", help="With all: number of processes of a role. Default: 1, or 0 if it is off."
        ),
    ] = None,
) -> None:
    """Run one stage of the pipeline on Kafka until SIGTERM or Ctrl-C.

    Use it to moderate live rooms on Kafka. Start at most as many workers of a stage as its topic has partitions. On a
    signal, the worker finishes and commits its batch. If the broker goes away, the worker waits for it. On an
    unexpected error, it ends at once with exit code 3 and does not acknowledge its batch. No record is lost, but the
    worker must be restarted: run it under a supervisor. `worker all` is a supervisor for the workers of one machine.

    Examples:
      voxwarden worker segment
      voxwarden worker transcribe --metrics-port 9110
      voxwarden worker all --count transcribe=2      all stages; restarts a process that ends
    """
    settings = with_options(settings_of(ctx), "metrics", port=metrics_port)
    if role == ALL:
        raise typer.Exit(asyncio.run(supervise(_commands(ctx, settings, counts_of(count or [], settings)))))
    if count:
        raise ConfigError("--count works only with `worker all`", "Start one more process of the role instead.")
    with without_collection():
        from agents.loop.worker_process import run_worker

    run_worker(role, settings)


def counts_of(assignments: list[str], settings: Settings) -> dict[str, int]:
    """Parse `["transcribe=2"]` into the number of processes of every role. Raises ConfigError for a wrong count.

    A role that the settings leave out has none.
    """
    counts = {stage.name: int(stage.is_on(settings)) for stage in STAGES}
    for assignment in assignments:
        role, _, number = assignment.partition("=")
        if role not in counts or not number.isdecimal():
            raise ConfigError(
                f"--count {assignment} is not a count", f"Write ROLE=NUMBER. The roles are {', '.join(counts)}."
            )
        counts[role] = int(number)
    return counts


def _commands(ctx: typer.Context, settings: Settings, counts: dict[str, int]) -> dict[str, list[str]]:
    """Return the command of each process, by name.

    Each gets our global options, its own metrics port, and a fixed `kafka.instance` if one is set.
    """
    options = ctx.find_root().params
    given = [text for each in options["assignments"] or [] for text in ("--set", each)]
    start = [sys.executable, "-m", "agents", *(["--verbose"] if options["verbose"] else []), *given]
    commands: dict[str, list[str]] = {}
    for role, number in counts.items():
        for nth in range(1, number + 1):
            name = f"{role}-{nth}"
            port = settings.metrics.port and settings.metrics.port + len(commands)  # 0 stays 0: any free port
            fixed = ["--set", f"kafka.instance={settings.kafka.instance}-{nth}"] if settings.kafka.instance else []
            commands[name] = [*start, *fixed, "worker", role, "--metrics-port", str(port)]
    return commands


async def supervise(commands: dict[str, list[str]]) -> int:
    """Keep the processes of `commands` (by name) running until a signal. Each command ends with its metrics port."""
    from agents.supervisor import Supervisor
    from pipeline.base.stopping import stop_on_signals

    stop = stop_on_signals()
    stop_on_hangup(stop)
    for name, command in commands.items():
        stderr.print(f"{name:<14} metrics on port {command[-1]}", style="dim", highlight=False)
    return await Supervisor(commands, lambda text: stderr.print(text, highlight=False)).run(stop)


def stop_on_hangup(stop: asyncio.Event) -> None:
    """Set `stop` when the terminal closes."""
    # Our processes have their own sessions, and would go on running.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup ignores SIGHUP, so the processes must stay
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, stop.set)
