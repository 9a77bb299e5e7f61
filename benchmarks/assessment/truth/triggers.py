"""The triggers that a store must have, with their due dates and what people decided."""

from dataclasses import dataclass, field
from datetime import date
from typing import Any

from benchmarks.assessment.truth.signals import SeenMoment, TrueSignal, signals
from benchmarks.assessment.truth.workdays import after, china_day


@dataclass
class TrueTrigger:
    """A sign that was found, and what a person decided about it."""

    signal: TrueSignal
    found_at: float
    begins: date | None
    """The day from which the due date counts. None: the report is due before the launch."""
    due: date | None = None
    state: str = "suggested"

    def plain(self) -> dict[str, Any]:
        """Return what the store must say."""
        due = self.due.isoformat() if self.due else None
        fields = {"clause": self.signal.clause, "signal": self.signal.name, "detail": self.signal.detail}
        return fields | {"found_at": self.found_at, "due": due, "state": self.state}


@dataclass
class TrueTriggers:
    """All triggers. `calendar` tells whether the calendar of the year is known."""

    found: dict[tuple[str, str, str], TrueTrigger] = field(default_factory=dict)
    calendar: bool = False

    def watch(self, moment: SeenMoment) -> None:
        """Add the new signs of a moment. Set the due dates that lacked the calendar."""
        for signal in signals(moment):
            self.add(signal, moment.now)

    def add(self, signal: TrueSignal, at: float, day: date | None = None) -> None:
        """Add a sign if it is new. The due date counts from `day`, or from the day of finding."""
        begins = None if signal.clause in {"3.1", "3.2"} else day or china_day(at)
        self.found.setdefault(signal[:3], TrueTrigger(signal, at, begins))
        for one in self.found.values():
            one.due = after(one.begins) if self.calendar and one.begins else None
