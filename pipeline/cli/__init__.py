"""Commands that need no broker. `agents/cli.py` adds those that do."""

from pipeline.cli import accounts, audit, cases, config, console, demo, judge, moderate, policy, transcribe
from pipeline.cli.app import app, main

__all__ = [
    "accounts",
    "app",
    "audit",
    "cases",
    "config",
    "console",
    "demo",
    "judge",
    "main",
    "moderate",
    "policy",
    "transcribe",
]
