"""A window of a world's history, as all true figures see it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from benchmarks.assessment.facts import HOUR, CaseFact, Given, Kind, WorldEntry, WorldHistory, WorldSpeech
from benchmarks.assessment.truth.rules import Rules
from pipeline.assessment.register import Kind as EntryKind


class SimulatedAction(NamedTuple):
    """An action that a moderator ordered in a case."""

    case: CaseFact
    given: Given


@dataclass(frozen=True)
class SeenWindow:
    """The history, and a window of it from `since` to `until` (UTC seconds)."""

    history: WorldHistory
    rules: Rules
    since: float
    until: float

    def contains(self, at: float) -> bool:
        return self.since <= at < self.until

    def moved(self, seconds: float) -> "SeenWindow":
        """Return the window so many seconds later."""
        return SeenWindow(self.history, self.rules, self.since + seconds, self.until + seconds)

    # Speech

    @property
    def begun(self) -> float:
        """The first hour with speech, however long ago."""
        return min((one.hour * HOUR for one in self.history.arrived if not one.drill), default=math.inf)

    @property
    def speech(self) -> list[WorldSpeech]:
        """The speech of the hours that begin in the window, as far as it has arrived. Drills do not count."""
        return [one for one in self.history.arrived if not one.drill and self.contains(one.hour * HOUR)]

    @property
    def monitored(self) -> list[WorldSpeech]:
        return [one for one in self.speech if one.monitored]

    # Cases

    @property
    def real(self) -> list[CaseFact]:
        """All cases that are no drill and are not deleted."""
        return [case for case in self.history.kept() if not case.drill]

    def cases(self, *kinds: Kind) -> list[CaseFact]:
        """Return the cases of these kinds that were stored in the window."""
        return [case for case in self.real if case.kind in kinds and self.contains(case.created)]

    def verdict(self, case: CaseFact) -> str | None:
        last = case.last(self.until)
        return last.verdict if last else None

    def final_label(self, case: CaseFact) -> str:
        """Return the label that the last decision gave, or else that of the machine."""
        last = case.last(self.until)
        return (last.label if last else None) or case.label

    def actions(self, since: float) -> Iterator[SimulatedAction]:
        """Yield the actions since a time whose decision stands at the end of the window."""
        for case in self.real:
            if case.kind in {"flagged", "audit", "report"}:
                for given in case.standing(self.until):
                    if given.action and given.at >= since:
                        yield SimulatedAction(case, given)

    # Records

    def entries(self, kind: EntryKind) -> list[WorldEntry]:
        """Return the entries of the register that were opened in the window."""
        return [one for one in self.history.register if one.kind == kind and self.contains(one.opened)]

    @property
    def registered(self) -> bool:
        """Whether anybody had used the register by the end of the window."""
        return any(one.opened < self.until for one in self.history.register)
