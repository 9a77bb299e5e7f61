"""The `voxwarden` command with everything: what needs no broker, and what does."""

from agents.commands import doctor, ingest, run, topics, worker
from pipeline.cli import app, main

__all__ = ["app", "doctor", "ingest", "main", "run", "topics", "worker"]
