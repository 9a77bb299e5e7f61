"""Waits that are over or still go on: Kaplan and Meier's estimate, in exact fractions."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import NamedTuple

ROUNDING = 1e-6


class Wait(NamedTuple):
    """A wait in whole seconds, which is over or still goes on."""

    seconds: int
    over: bool

    @classmethod
    def of(cls, begin: float, end: float | None, until: float) -> "Wait":
        """Return the wait from `begin` to `end`, seen at `until`."""
        if end is None or end >= until:
            return cls(math.floor(until - begin + ROUNDING), over=False)
        return cls(up(end - begin), over=True)


def up(seconds: float) -> int:
    """Round up to whole seconds."""
    return math.ceil(seconds - ROUNDING)


def survival(waits: Iterable[Wait]) -> list[tuple[int, Fraction]]:
    """Return the times at which waits end, each with the share that is over then."""
    ended, open_ = Counter[int](), Counter[int]()
    for wait in waits:
        (ended if wait.over else open_)[wait.seconds] += 1
    at_risk, going, steps = ended.total() + open_.total(), Fraction(1), []
    for seconds in sorted(ended.keys() | open_.keys()):
        if ended[seconds]:
            going *= 1 - Fraction(ended[seconds], at_risk)
            steps.append((seconds, 1 - going))
        at_risk -= ended[seconds] + open_[seconds]
    return steps


def quantile(waits: Iterable[Wait], share: float) -> float | None:
    """Return the time after which `share` of the waits are over; None if it was not observed."""
    wanted = Fraction(str(share))
    return next((float(seconds) for seconds, gone in survival(waits) if gone >= wanted), None)


def over_after(waits: Sequence[Wait], seconds: float) -> Fraction | None:
    """Return the share of waits that are over after some seconds; None if no wait was observed for so long."""
    gone = [share for at, share in survival(waits) if at <= seconds]
    if gone:
        return gone[-1]
    return Fraction(0) if any(wait.seconds >= seconds for wait in waits) else None
