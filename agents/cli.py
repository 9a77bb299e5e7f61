"""The `voxwarden` command with everything: what needs no broker, and what does."""

from agents.commands import ingest, topics, worker
from pipeline.cli import app, main

__all__ = ["app", "ingest", "main", "topics", "worker"]
