"""Deliver: flags to cases, with the flagged audio read back from `voice.utterances`."""

from typing import Any

import faust

from agents import topics
from agents.evidence import KafkaLog
from agents.work import Work
from pipeline.metrics import Metrics
from pipeline.review.delivery import deliver
from pipeline.settings import Settings
from pipeline.topology import UTTERANCES


class Delivering(Work[Any]):
    tick_seconds = 5.0

    def __init__(self, log: KafkaLog, settings: Settings, metrics: Metrics) -> None:
        super().__init__(deliver.build(settings, metrics, log))
        self._log = log

    def close(self) -> None:
        super().close()
        self._log.close()


def build(app: faust.App, settings: Settings, metrics: Metrics) -> Work[Any]:
    metrics.evidence_retention_seconds.set(topics.retention_seconds(UTTERANCES, settings.kafka))
    return Delivering(KafkaLog(settings.kafka), settings, metrics)
