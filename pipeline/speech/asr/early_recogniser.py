"""Recognises speech early, in the pause that may end it or while it goes on, while the recogniser has room.

An early utterance has the id and the audio of the utterance that follows if the pause continues. So its result is that
utterance's result, and the flag comes earlier. If speech continues, the result is discarded. Long speech so far has a
transcript of its own: its words are judged before the speech ends.

The work is bounded. It begins only while a worker of the recogniser is idle, and the discarded seconds stay below a
share of all recognised seconds. Nothing here needs to be kept: without an early result, an utterance is recognised when
it comes.
"""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Condition, Thread

from pipeline.base.metrics import Metrics, from_zero
from pipeline.contract.messages import EarlyUtterance, Transcript, Utterance, origin
from pipeline.contract.stage import BEHIND_SECONDS
from pipeline.speech.asr.recogniser import Recognition

MAX_OFFERS = 512
"""Offers that are remembered. Above it, the oldest is dropped."""

PAUSE_SECONDS = 1.0
"""Work on an offer does not begin later than this: the pause is over."""

KEEP_SECONDS = 10.0
"""An older offer is dropped. Its utterance went to another worker, or is in no topic because speech continued."""

MAX_THREADS = 4
"""More threads would leave only small batches to a GPU or to many cores."""

BEGUN_AT_ONCE = 4
"""Utterances for each thread that are begun one by one. More of them are recognised as a batch."""

CREDIT_SECONDS = 30.0
"""Seconds that may be discarded before any are recognised."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EarlyResult:
    """What the recogniser found in an early utterance."""

    recognition: Recognition
    language: str = ""
    """The language that was selected; empty if the settings give it."""
    probabilities: Mapping[str, float] = field(default_factory=dict)
    """The probability of each language; empty if the settings give the language."""
    so_far: Transcript | None = None
    """The transcript of speech so far; None if its words are not judged."""


Recognise = Callable[[Sequence[EarlyUtterance]], Sequence[EarlyResult | None]]
"""Returns a result for each utterance; None if there is no speech."""


Key = tuple[str, str, bool]
"""Room, speaker, and whether it is speech so far."""


@dataclass(eq=False)
class Offer:
    """An early utterance with its result."""

    utterance: EarlyUtterance
    since: float
    """When it came, by the clock of the `EarlyRecogniser`."""
    due: bool = False
    """Its utterance has come, and waits for the result."""
    begun: bool = False
    result: Future[EarlyResult | None] = field(default_factory=Future)

    early: bool = True
    """It came before its utterance."""

    @property
    def cost(self) -> float:
        """Seconds of speech that the recogniser has read for this offer, or is reading."""
        # Without speech the result is None, and the recogniser has read nothing.
        read = self.begun and not (self.result.done() and self.result.result() is None)
        return self.utterance.end - self.utterance.start if read else 0.0

    @property
    def key(self) -> Key:
        return key_of(self.utterance, so_far=self.utterance.so_far)

    def is_for(self, utterance: Utterance) -> bool:
        return (self.utterance.id, self.utterance.data) == (utterance.id, utterance.data)


def key_of(speech: EarlyUtterance | Utterance, *, so_far: bool = False) -> Key:
    return speech.room, speech.speaker, so_far


class EarlyRecogniser:
    """Holds at most one offer of each speaker, and one of their speech so far. It recognises them in own threads.

    `workers` is the number of clips that the recogniser reads at the same time; with 0, nothing is recognised here.
    `share` is the most seconds that may be discarded for each recognised second. `clock` is monotonic, in seconds.
    """

    def __init__(
        self,
        recognise: Recognise,
        workers: int,
        share: float,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._recognise = recognise
        self._share = share
        self._counter = metrics.early_utterances
        from_zero(metrics.early_utterances, ("used", "discarded", "declined"))
        self._clock = clock
        self._changed = Condition()
        self._offers: OrderedDict[Key, Offer] = OrderedDict()
        """The oldest first."""
        self._credit = CREDIT_SECONDS
        self._idle = workers
        """Workers of the recogniser without a clip. Negative: clips wait for a worker."""
        self._is_full = False
        """So many utterances wait that they become a batch."""
        self._is_behind = self._closed = False
        threads = min(workers, MAX_THREADS)
        self._part_size = -(-workers // max(threads, 1))
        """Clips that a thread takes at once: enough for all workers of the recogniser.

        With more, an utterance would wait for the clips beside its own.
        """
        self._threads = [Thread(target=self._work, name=f"early-{n}", daemon=True) for n in range(threads)]
        """They start with the first offer: recordings have none."""

    def offer(self, utterances: Sequence[EarlyUtterance]) -> None:
        """Take early utterances, or decline them. A new one takes the place of its speaker's last one."""
        with self._changed:
            for each in utterances:
                offer = Offer(each, self._clock())
                # A due offer stays, because its utterance waits for the result.
                if not self._is_due(offer.key):
                    self._drop(offer.key)
                # Speech so far costs no credit: its words are used. `_part` leaves it out under load.
                if self._is_behind or (self._credit <= 0 and not each.so_far) or offer.key in self._offers:
                    self._count("declined")
                else:
                    self._add(offer)
            self._forget()
            self._changed.notify_all()

    def take(self, utterance: Utterance) -> Offer | None:
        """The offer of this very utterance, if its work has begun. Any other offer of the speaker is dropped."""
        key = key_of(utterance)
        with self._changed:
            self._end_so_far(utterance)
            offer = self._offers.get(key)
            if offer and offer.begun and offer.is_for(utterance):
                return self._offers.pop(key)
            self._drop(key)
            return None

    def take_so_far(self) -> list[Transcript]:
        """The transcripts of speech so far that are ready, each once."""
        with self._changed:
            done = [each for each in self._offers.values() if each.utterance.so_far and each.result.done()]
            for each in done:
                del self._offers[each.key]
                self._count("used")
        results = [each.result.result() for each in done]
        return [result.so_far for result in results if result and result.so_far]

    def ready(self, utterances: Sequence[Utterance]) -> list[Utterance]:
        """Return the utterances that have a result. The others are recognised meanwhile.

        So a short utterance does not wait for a long one that came before it. In a room, the order stays: it gives one
        at a time. All are ready if the stage is behind, or if there are many: a batch is faster.
        """
        self._is_full = len(utterances) > BEGUN_AT_ONCE * len(self._threads) > 0
        if self._is_behind or not self._threads or self._is_full:
            return list(utterances)
        with self._changed:
            # `utterances` are all that wait now. Another worker may have taken over the others.
            for offer in self._offers.values():
                offer.due = False
            for each in utterances:
                self._require(each)
            self._changed.notify_all()
            firsts = {each.room: each for each in reversed(utterances)}
            return [each for each in utterances if each is firsts[each.room] and self._has_result(each)]

    @property
    def waited(self) -> float:
        """Seconds for which the oldest utterance that has come waits for a thread; at least BEHIND_SECONDS for many."""
        with self._changed:
            now = self._clock()
            since = (offer.since for offer in self._offers.values() if offer.due and not offer.begun)
            return max(now - min(since, default=now), BEHIND_SECONDS if self._is_full else 0.0)

    def settle(self, offer: Offer, *, used: bool) -> None:
        """Count an offer that was taken."""
        with self._changed:
            if offer.early:
                self._credit -= 0.0 if used else offer.cost
                self._count("used" if used else "discarded")

    def recognised(self, seconds: float) -> None:
        """Note the length of utterances that were recognised, early or not: a share of it may be discarded."""
        with self._changed:
            self._credit = min(CREDIT_SECONDS, self._credit + self._share * seconds)

    def behind(self, *, is_behind: bool) -> None:
        """While the stage is behind, offers are declined."""
        self._is_behind = is_behind

    @contextmanager
    def beside(self, clips: int) -> Iterator[None]:
        """The recogniser works on `clips` clips of the stage while the block runs."""
        self._occupy(clips)
        try:
            yield
        finally:
            self._is_full = False  # the waiting utterances were taken as a batch
            self._occupy(-clips)

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            if thread.ident:  # a thread that was never started cannot be joined
                thread.join()

    def _require(self, utterance: Utterance) -> None:
        """Make the offer of an utterance due. Without one, offer it now, unless its speaker's last one is still due."""
        key = key_of(utterance)
        self._end_so_far(utterance)
        offer = self._offers.get(key)
        if offer and offer.is_for(utterance):
            offer.due = True
        elif not self._is_due(key):
            self._drop(key)
            late = EarlyUtterance(**origin(utterance), id=utterance.id, end=utterance.end, data=utterance.data)
            self._add(Offer(late, self._clock(), due=True, early=False))

    def _end_so_far(self, utterance: Utterance) -> None:
        """Drop the first words of an utterance that has come. The speaker may already say the next one."""
        key = key_of(utterance, so_far=True)
        if key in self._offers and self._offers[key].utterance.start <= utterance.start:
            self._drop(key)

    def _has_result(self, utterance: Utterance) -> bool:
        offer = self._offers.get(key_of(utterance))
        return offer is not None and offer.is_for(utterance) and offer.result.done()

    def _is_due(self, key: Key) -> bool:
        return key in self._offers and self._offers[key].due

    def _add(self, offer: Offer) -> None:
        self._offers[offer.key] = offer
        for thread in self._threads:
            if not thread.ident:
                thread.start()

    def _occupy(self, clips: int) -> None:
        with self._changed:
            self._idle -= clips
            self._changed.notify_all()

    def _forget(self) -> None:
        """Drop old offers."""
        last = self._clock() - KEEP_SECONDS
        while self._offers:
            key, oldest = next(iter(self._offers.items()))
            # Offers are in order of age, so the first one that stays ends the search.
            if oldest.due or (len(self._offers) <= MAX_OFFERS and oldest.since > last):
                return
            self._drop(key)

    def _drop(self, key: Key) -> None:
        offer = self._offers.pop(key, None)
        if offer and offer.early:
            self._credit -= 0.0 if offer.utterance.so_far else offer.cost
            self._count("discarded" if offer.begun else "declined")

    def _count(self, result: str) -> None:
        self._counter.labels(result).inc()

    def _work(self) -> None:
        while offers := self._next():
            results = self._results(offers)
            for offer, result in zip(offers, results, strict=True):
                offer.result.set_result(result)
            self._occupy(-len(offers))

    def _results(self, offers: Sequence[Offer]) -> Sequence[EarlyResult | None]:
        """The results, or None for each offer after an error: the utterance will raise it again, if it comes."""
        try:
            return self._recognise([offer.utterance for offer in offers])
        except Exception as error:
            log.warning("Speech was not recognised early: %s", type(error).__name__)
            return [None] * len(offers)

    def _next(self) -> Sequence[Offer]:
        """Wait for idle workers and for offers. Returns this thread's part of them; nothing after `close`."""
        with self._changed:
            while not self._closed:
                if part := self._part():
                    for offer in part:
                        offer.begun = True
                    self._idle -= len(part)
                    return part
                self._changed.wait()  # without a timeout: each change notifies
        return ()

    def _part(self) -> Sequence[Offer]:
        """The offers that a thread begins now: the due ones, or others while workers are idle, speech so far last."""
        waiting = [offer for offer in self._offers.values() if not offer.begun]
        if due := [offer for offer in waiting if offer.due]:
            return due[: self._part_size]
        first = self._clock() - PAUSE_SECONDS
        live = [offer for offer in waiting if offer.since >= first]
        live = [offer for offer in live if not offer.utterance.so_far] or live
        return live[: max(0, min(self._idle, self._part_size))]
