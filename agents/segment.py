"""The work of a stage that holds records, as segment holds unfinished speech. A ledger decides what to acknowledge."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import faust

from agents.lag import PartitionName
from agents.lead_in import Earlier, LeadIn, lead_seconds
from agents.ledger import Ledger
from agents.records import Received
from agents.work import Work
from pipeline.metrics import Metrics
from pipeline.settings import Settings
from pipeline.speech_status import reporting
from pipeline.stage import HoldingProcessor
from pipeline.topology import Stage

Before = Callable[[Any], Earlier]
"""Returns what to learn before the first record of a partition."""


STANDSTILL_SECONDS = 10.0
"""A worker that stood still for longer has been removed from its consumer group (session time-out: 6 s)."""


class Segmenting(Work[HoldingProcessor[Any, Any]]):
    """Resets its state after each rebalance: Kafka then delivers again all records that were not acknowledged."""

    tick_seconds = 1.0

    def __init__(
        self, build: Callable[[], HoldingProcessor[Any, Any]], generation: Callable[[], int], before: Before
    ) -> None:
        super().__init__(build())
        self._build = build
        self._generation_now = generation
        self._before = before
        self._begun: set[PartitionName] = set()
        """Partitions whose first record has arrived."""
        self._generation: int | None = None
        self._outdated = False
        self._ledger: Ledger[Any] = Ledger()
        self._ticked = math.inf
        """Time of the last tick, in UTC seconds."""
        self._silent_until = 0.0

    def choose(self, records: Sequence[Any]) -> Sequence[Any]:
        """Drop records that were fetched before the last rebalance. Kafka delivers them again, here or elsewhere."""
        self._follow()
        return [record for record in records if record.generation_id == self._generation]

    def take(self, received: Received) -> None:
        chunk, record = received.message, received.record
        self._ledger.add((record.topic, record.partition), record, (chunk.room, chunk.speaker) if chunk else None)

    def process(self, batch: Sequence[Received]) -> list[Any]:
        self._renew()
        self._lead_in(batch)
        return self.processor.process([received.message for received in batch])

    def tick(self, now: float) -> list[Any]:
        """Return what is due at `now` (UTC seconds), and nothing for 10 s after a standstill.

        After a standstill, another worker may have our partitions, and we do not know it yet.
        """
        self._renew()
        if now - self._ticked > STANDSTILL_SECONDS:
            self._silent_until = now + STANDSTILL_SECONDS
        self._ticked = now
        silent = 0 < self._silent_until - now <= STANDSTILL_SECONDS  # both bounds, because the clock may be set back
        return [] if silent else self.processor.tick(now)

    def finished(self, batch: Sequence[Received]) -> list[Any]:
        for received in batch:  # the ledger keeps records for seconds; it does not need their audio
            received.record.value = None
        self._follow()
        return [] if self._outdated else self._ledger.finished(self.processor.needed)

    def _follow(self) -> None:
        now = self._generation_now()
        if now != self._generation:
            self._outdated = self._outdated or self._generation is not None
            self._generation = now
            self._ledger = Ledger()

    def _renew(self) -> None:
        if self._outdated:
            self.processor.close()
            self.processor = self._build()
            self._begun.clear()
            self._outdated = False

    def _lead_in(self, batch: Sequence[Received]) -> None:
        """Let the processor hear what came before the first record of a partition.

        That audio is already acknowledged and sent.
        """
        firsts = {(r.record.topic, r.record.partition): r.record for r in reversed(batch)}
        fresh = {partition: record for partition, record in firsts.items() if partition not in self._begun}
        for earlier in [self._before(record) for record in fresh.values()]:
            self.processor.lead_in(earlier.chunks, earlier.sent)
        self._begun.update(fresh)


def build(stage: Stage, app: faust.App, settings: Settings, metrics: Metrics) -> Segmenting:
    def processor() -> HoldingProcessor[Any, Any]:
        made = reporting(stage.processor(settings, metrics), stage)
        if not isinstance(made, HoldingProcessor):
            raise TypeError(f"{stage.build} must make a HoldingProcessor, because stage {stage.name} holds records")
        return made

    before = LeadIn(settings.kafka, lead_seconds(settings.audio))
    return Segmenting(processor, lambda: app.consumer_generation_id, before)
