"""The `voxwarden` command with everything: what needs no broker, and what does."""

from agents.commands import backtest, coverage, dead_letters, doctor, gateway, ingest, run, topics, worker
from pipeline.cli import app, main
from pipeline.cli.app import show_exit_codes

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

show_exit_codes(app)
