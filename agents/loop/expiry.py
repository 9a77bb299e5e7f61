"""Count records that the broker deleted before their stage read them. Nobody moderated their speech."""

import logging
import time
from collections.abc import Callable
from typing import Any

from agents.broker.kafka_records import address_of
from pipeline.base.metrics import Metrics
from pipeline.contract.topology import Stage

log = logging.getLogger(__name__)


class Expiry:
    """Counts and logs the expired records of one stage. `clock` returns UTC seconds."""

    def __init__(self, stage: Stage, metrics: Metrics, clock: Callable[[], float] = time.time) -> None:
        self._stage = stage.name
        self._records = metrics.expired_records.labels(stage.name)
        self._seconds = metrics.expired_seconds.labels(stage.name)
        self._clock = clock

    def count(self, gone: int, record: Any, end: int) -> None:
        """Count `gone` records that are missing before the Kafka `record`. `end` is the next offset of its partition.

        The expired records cannot be read. So their time span is estimated from the pace of the records that are left.
        """
        pace = max(0.0, self._clock() - record.timestamp / 1000) / max(1, end - record.offset)
        self._records.inc(gone)
        self._seconds.inc(gone * pace)
        log.warning(
            "%s missed %d records (about %.0f s): the broker deleted them, up to %s, before %s read them",
            self._stage,
            gone,
            gone * pace,
            address_of(record),
            self._stage,
        )
