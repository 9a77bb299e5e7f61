"""Quantiles of times that are partly not over yet, by the estimate of Kaplan and Meier (JASA 53, 1958)."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

ROUNDING = 1e-9
"""A share this close to the wanted one reaches it, in spite of the rounding of the products."""


class Spell(NamedTuple):
    """Waits of the same length. `ended` of them are over, and `open` ones last at least as long."""

    seconds: int
    ended: int
    open: int


class Survival:
    """The distribution of the length of waits."""

    def __init__(self, spells: Iterable[Spell]) -> None:
        times: dict[int, tuple[int, int]] = defaultdict(lambda: (0, 0))
        for spell in spells:
            ended, waiting = times[spell.seconds]
            times[spell.seconds] = ended + spell.ended, waiting + spell.open
        self.n = sum(map(sum, times.values()))
        self.open = sum(waiting for _, waiting in times.values())
        self._longest = max(times, default=0)
        self._seconds: list[int] = []
        self._over: list[float] = []
        self._estimate(times)

    def quantile(self, share: float) -> float | None:
        """Return the shortest time after which `share` of the waits are over.

        None: there are no waits, or too many are still open.
        """
        found = next((at for at, over in enumerate(self._over) if over >= share - ROUNDING), None)
        return None if found is None else float(self._seconds[found])

    def over_after(self, seconds: float) -> float | None:
        """Return the share of waits that are over after this time.

        None: there are no waits, or none of them was observed for so long and none is over.
        """
        # The estimate is a step function: the last step at or before `seconds` holds.
        place = bisect_right(self._seconds, seconds)
        if place:
            return self._over[place - 1]
        return 0.0 if self._longest >= seconds and self.n else None

    def _estimate(self, times: dict[int, tuple[int, int]]) -> None:
        """Compute the share that is over at each time."""
        at_risk, waiting = self.n, 1.0
        for seconds, (ended, still_open) in sorted(times.items()):
            if ended:
                # Product-limit estimate. Waits that are censored at this very time are still at risk.
                waiting *= 1 - ended / at_risk
                self._seconds.append(seconds)
                self._over.append(1 - waiting)
            at_risk -= ended + still_open
