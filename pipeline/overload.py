"""Overload: when more is said than can be transcribed, some utterances are skipped, by policy and never in silence.

How long the oldest utterance has waited gives a pressure from 0 to 1. As it grows, the room types of
`settings.overload.room_types` are thinned out one after the other, each down to its smallest share. Pressure rises at
once and falls slowly, so that a short lull does not bring back all that was too much. Which utterances of a room type
are heard is told by their ids: one that is heard under a pressure is heard under any that is lower, and a redelivery
chooses the same ones.
"""

import time
from collections.abc import Callable
from hashlib import blake2b

from pipeline.messages import Utterance
from pipeline.settings import Overload

OTHER = "other"


class Valve:
    """Knows the pressure, and what it leaves. `clock` gives seconds from anywhere."""

    def __init__(self, overload: Overload, clock: Callable[[], float] = time.monotonic) -> None:
        self._overload = overload
        self._least = {kind.name: kind.share for kind in overload.room_types}
        self._order = {kind.name: place for place, kind in enumerate(overload.room_types)}
        self._clock = clock
        self._seen = clock()
        self.pressure = 0.0

    def observe(self, waited: float) -> None:
        """The oldest utterance has waited so many seconds."""
        now = self._clock()
        fallen = self.pressure - (now - self._seen) / self._overload.recover_seconds
        self._seen = now
        span = self._overload.full_seconds - self._overload.start_seconds
        wanted = (waited - self._overload.start_seconds) / span if self._overload.enabled else 0.0
        self.pressure = _unit(max(wanted, fallen))

    def kind(self, room_type: str) -> str:
        """The room type as the settings know it, or `other`: a closed set."""
        return room_type if room_type in self._order else OTHER

    def share(self, room_type: str) -> float:
        """Of the room type's utterances, those heard now; from 1 down to its smallest."""
        kind = self.kind(room_type)
        if kind not in self._order:
            return 1.0
        thinned = _unit(self.pressure * len(self._order) - self._order[kind])
        return 1 - thinned * (1 - self._least[kind])

    def hears(self, utterance: Utterance) -> bool:
        return lot(utterance.id) < self.share(utterance.room_type)


def lot(id_: str) -> float:
    """A number from 0 up to, not including, 1: the same for the same id, even over all ids."""
    return (int.from_bytes(blake2b(id_.encode(), digest_size=8).digest()) >> 11) / 2**53


def _unit(value: float) -> float:
    return min(max(value, 0.0), 1.0)
