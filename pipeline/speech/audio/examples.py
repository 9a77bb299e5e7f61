"""Limits how many bad packets become dead letters: at most one example per speaker and minute."""

from collections import OrderedDict
from collections.abc import Callable, Hashable

EVERY_SECONDS = 60.0
"""Minimum seconds between two examples of one speaker."""

REMEMBERED = 10_000
"""Number of speakers whose last example is remembered."""


class FaultExamples:
    """Decides when an example is due. It outlives a speaker's session: a new connection gives no additional example.

    `clock` gives UTC seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last: OrderedDict[Hashable, float] = OrderedDict()

    def due(self, speaker: Hashable) -> bool:
        """Whether to keep this speaker's bad packet as an example. If so, the next is due after EVERY_SECONDS."""
        now = self._clock()
        if abs(now - self._last.get(speaker, float("-inf"))) < EVERY_SECONDS:  # the clock may be set back
            return False
        self._last[speaker] = now
        self._last.move_to_end(speaker)
        if len(self._last) > REMEMBERED:
            self._last.popitem(last=False)
        return True
