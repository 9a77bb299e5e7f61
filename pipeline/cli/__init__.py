"""Commands that need no broker. `agents/cli.py` adds those that do."""

from pipeline.cli.app import app, main

__all__ = ["app", "main"]
