"""Commands that need no Kafka. `agents/cli.py` adds the others."""

from pipeline.cli import (
    accounts,
    assess,
    audit,
    cases,
    config,
    console,
    demo,
    export,
    judge,
    moderate,
    policy,
    retention,
    transcribe,
    tune,
)
from pipeline.cli.app import app, main

__all__ = [
    "accounts",
    "app",
    "assess",
    "audit",
    "cases",
    "config",
    "console",
    "demo",
    "export",
    "judge",
    "main",
    "moderate",
    "policy",
    "retention",
    "transcribe",
    "tune",
]
