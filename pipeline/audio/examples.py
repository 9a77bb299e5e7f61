"""Which bad packets become dead letters: an example of each speaker's, not all of them."""

from collections import OrderedDict
from collections.abc import Callable, Hashable

EVERY_SECONDS = 60.0
"""A speaker's next example, at the soonest."""

REMEMBERED = 10_000
"""Speakers of whom the last example is known."""


class FaultExamples:
    """Says when one is due. It outlives a speaker's session, so that reconnecting makes no more of them.

    `clock` gives UTC seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last: OrderedDict[Hashable, float] = OrderedDict()

    def due(self, speaker: Hashable) -> bool:
        """Whether this speaker's bad packet should be kept; if so, the next is due after EVERY_SECONDS."""
        now = self._clock()
        if now - self._last.get(speaker, float("-inf")) < EVERY_SECONDS:
            return False
        self._last[speaker] = now
        self._last.move_to_end(speaker)
        if len(self._last) > REMEMBERED:
            self._last.popitem(last=False)
        return True
