"""Judge: transcripts to flags. The room's context is in memory and may be lost with the worker."""

from typing import Any

import faust

from agents.work import Work
from pipeline.metrics import Metrics
from pipeline.settings import Settings
from pipeline.topology import JUDGE


def build(app: faust.App, settings: Settings, metrics: Metrics) -> Work[Any]:
    return Work(JUDGE.processor(settings, metrics))
