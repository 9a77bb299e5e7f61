"""Brings the messages about all speech to the store: late, twice, and while workers die."""

from collections.abc import Iterator, Sequence

from benchmarks.assessment.facts import BEGIN, DAY, HOUR, CaseFact, WorldSpeech
from benchmarks.assessment.speech import NEW_POLICY, flag, status
from benchmarks.assessment.world.casebook import CaseBook
from benchmarks.assessment.world.core import Process, World
from pipeline.contract.messages import Flag, SpeechStatus
from pipeline.review.quality import quality_checks

BATCH = 32
BATCH_SECONDS = 45.0
OUTAGE = BEGIN + 9 * DAY + 18 * HOUR
OUTAGE_SECONDS = HOUR
KEPT_COUNTED = 3 * DAY

Batch = list[tuple[WorldSpeech, Flag | SpeechStatus]]
Arrival = tuple[float, WorldSpeech, Flag | SpeechStatus]
"""A message about an utterance, with the time at which it reaches the store."""


class Delivery:
    """The deliver stage."""

    def __init__(self, world: World, book: CaseBook) -> None:
        self._world = world
        self._book = book

    def deliver(self, speech: Sequence[WorldSpeech]) -> Process:
        """Store all messages in batches. Now and then a worker dies, and stores its last batches again."""
        rng = self._world.rng
        arrivals = sorted((each for one in speech for each in self._arrivals(one)), key=lambda each: each[0])
        batches = list(_batches(arrivals))
        for place, (at, batch) in enumerate(batches):
            yield at
            self.add(batch)
            if rng.random() < 0.04:
                again = [batch for _, batch in batches[max(0, place - 2) : place + 1]]
                self._world.start(self._redeliver(again), at + rng.uniform(1, 30))

    def tell_again(self, case: CaseFact) -> Process:
        """Cut and judge the speech of a decided case once more, under new ids."""
        if case.open:
            return
        speech, first = self._world.history.speech, case.flags[0]
        fields = {**vars(first), "number": len(speech) + 2_000_000, "start": first.start + 0.05}
        again = WorldSpeech(**fields | {"stored": None, "cut": None})
        speech.append(again)
        self.add([(again, status(again)), (again, flag(again))])
        yield from ()

    def forget(self) -> Process:
        """Forget the ids of messages that cannot arrive again."""
        while True:
            yield self._world.now + DAY
            self._world.repeat(lambda: self._world.store.forget_counted(self._world.now - KEPT_COUNTED))

    def add(self, batch: Batch) -> None:
        """Store one batch, and note what became of it."""
        world, share = self._world, audit_share(self._world.now)
        flags = {message.id: speech for speech, message in batch if isinstance(message, Flag)}
        drawn = {name for name, one in flags.items() if not one.drill and quality_checks.drawn("audit", name, share)}
        messages = [message for _, message in batch]
        for outcome in world.repeat(lambda: world.store.add(messages, world.now, drawn, share)):
            self._book.note(outcome, flags[outcome.flag], share)
        for speech, message in batch:
            self._tell(speech, message)

    def _tell(self, speech: WorldSpeech, message: Flag | SpeechStatus) -> None:
        """Note what the store knows about an utterance now."""
        world = self._world
        if speech.cut is None:
            speech.cut = world.now
            world.history.arrived.append(speech)
        if isinstance(message, Flag):
            speech.stored = world.now if speech.stored is None else speech.stored
        elif message.state != "segmented":
            speech.told = message.state, message.reason

    def _redeliver(self, batches: Sequence[Batch]) -> Process:
        if self._world.rng.random() < 0.3:
            self._world.restart()
        for batch in batches:
            self.add(batch)
            self._world.history.delivered_again += len(batch)
        yield from ()

    def _arrivals(self, speech: WorldSpeech) -> Iterator[Arrival]:
        """Yield the messages about an utterance. One that failed may be judged an hour later."""
        rng, cut, fate = self._world.rng, speech.end + 0.2, speech.fate
        yield self._after_outage(cut + (10.0 if rng.random() < 0.02 else 0.0)), speech, status(speech)
        if fate and fate[0] != "segmented":
            yield self._after_outage(cut + 5.0), speech, status(speech, *fate)
        again = bool(fate) and rng.random() < 0.1 and fate != ("segmented", "")
        if not fate or again:
            wait = rng.choice([0.05, 0.6]) + rng.expovariate(0.8) + (HOUR if again else 0.0)
            yield self._after_outage(cut + wait), speech, flag(speech)

    def _after_outage(self, at: float) -> float:
        over = OUTAGE + OUTAGE_SECONDS
        return over + self._world.rng.uniform(0, 60) if OUTAGE <= at < over else at


def audit_share(at: float) -> float:
    """Return the share of passed speech that is drawn for audits. The operator changed it."""
    return 0.03 if at < NEW_POLICY else 0.08


def _batches(arrivals: Sequence[Arrival]) -> Iterator[tuple[float, Batch]]:
    """Yield the messages in batches, each with the time at which it is stored."""
    batch: list[Arrival] = []
    for each in arrivals:
        if batch and (len(batch) == BATCH or each[0] > batch[0][0] + BATCH_SECONDS):
            yield _batch(batch)
            batch = []
        batch.append(each)
    yield _batch(batch)


def _batch(batch: Sequence[Arrival]) -> tuple[float, Batch]:
    return batch[-1][0] + 0.05, [(speech, message) for _, speech, message in batch]
