"""The whole `voxwarden` command: the commands of `pipeline/cli/` and those that need a broker."""

from agents.commands import backtest, coverage, dead_letters, doctor, gateway, ingest, run, topics, worker
from pipeline.cli import app, main
from pipeline.cli.app import complete_help

__all__ = [
    "app",
    "backtest",
    "coverage",
    "dead_letters",
    "doctor",
    "gateway",
    "ingest",
    "main",
    "run",
    "topics",
    "worker",
]

complete_help(app)
