"""The `voxwarden` command with everything: what needs no broker, and what does."""

from agents.commands import doctor, gateway, ingest, run, topics, worker
from pipeline.cli import app, main

__all__ = ["app", "doctor", "gateway", "ingest", "main", "run", "topics", "worker"]
