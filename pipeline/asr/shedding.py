"""Around the transcribe stage: what overload skips is not decoded, but still gives a transcript that says so."""

import logging
from collections import Counter
from collections.abc import Sequence
from typing import Any

from pipeline.messages import Transcript, Utterance, derive_id
from pipeline.metrics import Metrics
from pipeline.overload import Valve
from pipeline.stage import Processor, Rejected

log = logging.getLogger(__name__)

UNDETERMINED = "und"
"""ISO 639-2 for a language that nobody has told."""


class Shedding(Processor[Utterance, Transcript]):
    """Lets through to `inner` what the valve hears; `inner` gives one outcome an utterance, in order."""

    def __init__(self, inner: Processor[Utterance, Transcript], valve: Valve, metrics: Metrics) -> None:
        self._inner = inner
        self._valve = valve
        self._metrics = metrics
        self._episode: Counter[str] = Counter()

    def waited(self, seconds: float) -> None:
        before = self._valve.pressure
        self._valve.observe(seconds)
        self._metrics.overload_pressure.set(self._valve.pressure)
        if self._valve.pressure and not before:
            log.warning("overload: speech has waited for %.0f s, so some of it is skipped", seconds)
        elif before and not self._valve.pressure:
            log.warning(
                "the overload is over: %d utterances heard, %d skipped",
                self._episode["heard"],
                self._episode["skipped"],
            )
            self._episode.clear()

    def process(self, batch: Sequence[Utterance]) -> list[Transcript | Rejected]:
        chosen = [self._valve.hears(utterance) for utterance in batch]
        heard = [utterance for utterance, hears in zip(batch, chosen, strict=True) if hears]
        outcomes = iter(self._inner.process(heard) if heard else [])
        results = [next(outcomes) if hears else skipped(u) for u, hears in zip(batch, chosen, strict=True)]
        self._count(batch, chosen)
        return results

    def tick(self, now: float) -> list[Transcript | Rejected]:
        self.waited(0)  # nothing waits, or the carrier would bring it
        return self._inner.tick(now)

    def drain(self) -> list[Transcript | Rejected]:
        return self._inner.drain()

    def close(self) -> None:
        self._inner.close()

    def _count(self, batch: Sequence[Utterance], chosen: Sequence[bool]) -> None:
        for utterance, hears in zip(batch, chosen, strict=True):
            result = "heard" if hears else "skipped"
            self._metrics.coverage.labels(self._valve.kind(utterance.room_type), result).inc()
            if self._valve.pressure:
                self._episode[result] += 1


def skipped(utterance: Utterance) -> Transcript:
    """What stands in the log instead of words: the audio can still be found by its address."""
    return wordless(utterance, skipped=True, model="none")


def wordless(utterance: Utterance, **why: Any) -> Transcript:
    """A transcript that nobody listened for; `why` are the fields that tell the reason."""
    return Transcript(
        room=utterance.room,
        speaker=utterance.speaker,
        room_type=utterance.room_type,
        start=utterance.start,
        id=derive_id("transcribe", utterance),
        utterance=utterance.id,
        end=utterance.end,
        text="",
        language=UNDETERMINED,
        confidence=0.0,
        address=utterance.address,
        **why,
    )
