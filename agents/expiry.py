"""Records that the broker deleted before their stage took them: speech that nobody moderated."""

import logging
import time
from collections.abc import Callable
from typing import Any

from agents.records import address_of
from pipeline.metrics import Metrics
from pipeline.topology import Stage

log = logging.getLogger(__name__)


class Expiry:
    """Counts and tells them, for one stage. `clock` gives UTC seconds."""

    def __init__(self, stage: Stage, metrics: Metrics, clock: Callable[[], float] = time.time) -> None:
        self._stage = stage.name
        self._records = metrics.expired_records.labels(stage.name)
        self._seconds = metrics.expired_seconds.labels(stage.name)
        self._clock = clock

    def count(self, gone: int, record: Any, end: int) -> None:
        """`gone` records are missing before the Kafka `record`; `end` is the next offset of its partition.

        Nothing is known of them, so that their time is estimated by the pace of the records that are left.
        """
        pace = max(0.0, self._clock() - record.timestamp / 1000) / max(1, end - record.offset)
        self._records.inc(gone)
        self._seconds.inc(gone * pace)
        log.warning(
            "%s has missed %d records, about %.0f s: the broker deleted them, up to %s, before %s took them",
            self._stage,
            gone,
            gone * pace,
            address_of(record),
            self._stage,
        )
