"""Commands that need no broker. `agents/cli.py` adds those that do."""

from pipeline.cli import cases, config, demo, judge, moderate, policy, train, transcribe, tune
from pipeline.cli.app import app, main

__all__ = ["app", "cases", "config", "demo", "judge", "main", "moderate", "policy", "train", "transcribe", "tune"]
