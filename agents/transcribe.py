"""Transcribe: utterances to transcripts, which carry the address of the audio, not the audio."""

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import faust
import msgspec

from agents import topics
from agents.records import Received, address_of
from agents.work import Work
from pipeline.messages import Transcript, Utterance
from pipeline.metrics import Metrics
from pipeline.settings import Settings
from pipeline.stage import Backlog, Processor
from pipeline.topology import TRANSCRIBE, UTTERANCES


class Transcribing(Work[Any]):
    """Tells the processor how far behind live speech it is."""

    tick_seconds = 5.0

    def __init__(
        self,
        processor: Processor[Utterance, Transcript],
        retention: float = math.inf,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`retention` of what it takes, in seconds."""
        super().__init__(processor)
        self._retention = retention
        self._clock = clock

    def take(self, received: Received) -> Received:
        """Where the audio lies is only known once it has been written: here."""
        if not isinstance(received.message, Utterance):
            return received
        address = address_of(received.record)
        return Received(received.record, msgspec.structs.replace(received.message, address=address))

    def process(self, batch: Sequence[Received]) -> list[Any]:
        oldest = min((_waiting_since(received) for received in batch), default=self._clock())
        known = self.backlog()
        self.processor.behind(
            Backlog(
                waited=self._clock() - oldest,
                messages=max(known.messages, len(batch)),  # the broker was asked some seconds ago
                arrivals=known.arrivals,
                retention=self._retention,
            )
        )
        return super().process(batch)


def _waiting_since(received: Received) -> float:
    """UTC seconds: when the utterance was written, or when it ends, if that is yet to come, as in a recording."""
    written: float = received.record.timestamp or 0.0
    return max(written, received.message.end) if isinstance(received.message, Utterance) else written


def build(app: faust.App, settings: Settings, metrics: Metrics) -> Work[Any]:
    return Transcribing(TRANSCRIBE.processor(settings, metrics), topics.retention_seconds(UTTERANCES, settings.kafka))
