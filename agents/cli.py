"""The whole `voxwarden` command: the commands of `pipeline/cli/` and those that need a broker."""

from typing import TYPE_CHECKING

from agents.commands import backtest, coverage, dead_letters, doctor, gateway, ingest, run, topics, worker
from pipeline.cli import app, console, main
from pipeline.cli.app import complete_help
from pipeline.settings import Settings

if TYPE_CHECKING:
    from agents.broker.stored_transcripts import TopicSpeech

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


def _speech_of(settings: Settings) -> "TopicSpeech":
    from agents.broker.stored_transcripts import TopicSpeech

    return TopicSpeech(settings)


console.speech_of = _speech_of
complete_help(app)
