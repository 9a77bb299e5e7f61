"""The `voxwarden` command with everything: what needs no broker, and what does."""

from agents.commands import backtest, coverage, doctor, gateway, ingest, run, topics, worker
from pipeline.cli import app, main

__all__ = ["app", "backtest", "coverage", "doctor", "gateway", "ingest", "main", "run", "topics", "worker"]
