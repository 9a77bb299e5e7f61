"""A worker of the transcribe stage in simulated time: which speech the overload settings skip, and how late speech is.

The stage is real, but its recogniser only takes time. So a day passes in seconds, and each run gives the same figures.
"""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from agents.loop.health import LOOK_SECONDS
from agents.loop.lag import GroupPosition, WorkerBacklog
from pipeline.base.metrics import Metrics
from pipeline.contract.messages import Transcript, Utterance
from pipeline.contract.stage import Backlog, Processor, Rejected
from pipeline.contract.topology import TRANSCRIBE
from pipeline.settings import Overload
from pipeline.speech.asr.transcripts import wordless
from pipeline.speech.load_shedding import Shedding, Valve

ROOM_TYPES = ("game", "default", "default", "kids")
"""Room types of the utterances, in rotation."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """Speech arrives all the time. The worker starts `outage` seconds later and is observed for `seconds`."""

    name: str
    arrivals: float
    """Utterances per second."""
    speed: float
    """Utterances per second that the recogniser can process."""
    outage: float
    seconds: float
    overload: Overload = field(default_factory=Overload)
    retention: float = 24 * 3600.0


@dataclass(slots=True)
class Result:
    """The results for the utterances. Delays are seconds from an utterance's end until it was processed."""

    heard: int = 0
    skipped: int = 0
    expired: int = 0
    delays: list[float] = field(default_factory=list)
    """Delays of speech after the worker's start."""
    caught_up: float = math.inf
    """Seconds after the start."""

    @property
    def delay_p95(self) -> float:
        return float(np.percentile(self.delays, 95))


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Recogniser(Processor[Utterance, Transcript]):
    """Takes the simulated time, and recognises no text."""

    def __init__(self, clock: Clock, speed: float) -> None:
        self._clock, self._seconds = clock, 1 / speed

    def process(self, batch: Sequence[Utterance]) -> list[Transcript | Rejected]:
        self._clock.now += self._seconds * len(batch)
        return [wordless(utterance, model="none") for utterance in batch]


class Run:
    """One worker and its partition. `end` is the number of written utterances, `done` that of processed ones."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.clock = Clock(scenario.outage)
        self.inflow = WorkerBacklog(self.clock)
        recogniser = Recogniser(self.clock, scenario.speed)
        self.stage = Shedding(recogniser, Valve(scenario.overload, self.clock), Metrics(), self.clock)
        self.result = Result()
        self._utterances = self._speech()
        self._waiting: deque[Utterance] = deque()
        self._next = next(self._utterances)
        self._written = 0
        self._looked = -math.inf

    def run(self) -> Result:
        while self.clock.now < self.scenario.outage + self.scenario.seconds:
            self._arrive()
            if self._waiting:
                self._batch()
            else:
                self._idle()
        return self.result

    def _speech(self) -> Iterator[Utterance]:
        number = 0
        while True:
            end = (number + 1) / self.scenario.arrivals
            kind = ROOM_TYPES[number % len(ROOM_TYPES)]
            yield Utterance(room="r", speaker="s", room_type=kind, start=end - 1, end=end, id=str(number))
            number += 1

    def _arrive(self) -> None:
        while self._next.end <= self.clock.now:
            self._waiting.append(self._next)
            self._written += 1
            self._next = next(self._utterances)
        while self._waiting and self.clock.now - self._waiting[0].end > self.scenario.retention:
            self._waiting.popleft()
            self.result.expired += 1
        if self.clock.now - self._looked >= LOOK_SECONDS:
            self._looked = self.clock.now
            self.inflow.see({("voice.utterances", 0): GroupPosition(self._written - len(self._waiting), self._written)})

    def _batch(self) -> None:
        batch = [self._waiting.popleft() for _ in range(min(TRANSCRIBE.batch, len(self._waiting)))]
        known = self.inflow.backlog()
        waited = self.clock.now - batch[0].end
        self.stage.behind(Backlog(waited, known.messages, known.arrivals, self.scenario.retention))
        for transcript in self.stage.process(batch):
            if isinstance(transcript, Transcript):
                self._count(transcript)

    def _idle(self) -> None:
        self.result.caught_up = min(self.result.caught_up, self.clock.now - self.scenario.outage)
        self.stage.tick(self.clock.now)
        self.clock.now = self._next.end

    def _count(self, transcript: Transcript) -> None:
        if transcript.skipped:
            self.result.skipped += 1
            return
        self.result.heard += 1
        if transcript.end > self.scenario.outage:
            self.result.delays.append(self.clock.now - transcript.end)
