"""Which case is looked at first: by its deadline, with a head start for the severe.

The order must not change while nobody does anything, or no index could hold it. So urgency is a moment: the deadline
less the head start of the case's severity. A critical case comes first on any day; a mild one rises as it ages, and is
never passed for ever.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.messages import Flag
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pipeline.judge.labels import Labels

LOW, MEDIUM, HIGH = 0, 1, 2
"""Severities are 0 low, 1 medium, 2 high, 3 critical, as `configs/labels.yaml` names them."""

HEAD_START = (0.0, 900.0, 7_200.0, 86_400.0)
"""Seconds, by severity."""

TARGETS = (14_400.0, 3_600.0, 900.0, 300.0)
"""Seconds within which a case should be decided, by severity."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """`severities` are those of the labels; `targets` are seconds, by severity."""

    severities: Mapping[str, int]
    targets: tuple[float, float, float, float] = TARGETS

    def severity(self, lead: Flag) -> int:
        """Of its worst label; what the policy would block is high at the least, and what it passed has time."""
        if lead.suggestion == "pass":
            return LOW
        label = self.severities.get(lead.flagged[0], MEDIUM) if lead.flagged else MEDIUM
        return max(label, HIGH) if lead.suggestion == "block" else label

    def columns(self, lead: Flag, at: float) -> dict[str, Any]:
        """Severity, deadline and place of a case that was stored `at` (UTC seconds), known by `lead`."""
        return self.place(self.severity(lead), at)

    def of_label(self, label: str) -> int:
        return self.severities.get(label, MEDIUM)

    def place(self, severity: int, at: float) -> dict[str, Any]:
        due = at + self.targets[severity]
        return {"severity": severity, "due_at": due, "urgency": due - HEAD_START[severity]}


def build(settings: Settings) -> Ranking:
    """As the settings and the label file have it."""
    from pipeline.judge import labels

    return of(labels.load(settings.judge.labels), settings)


def of(known: "Labels", settings: Settings) -> Ranking:
    targets = settings.console.targets_seconds
    return Ranking(
        {name: known.severity(name) for name in known.labels},
        (targets.low, targets.medium, targets.high, targets.critical),
    )
