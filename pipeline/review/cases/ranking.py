"""The order of the queue: by deadline, with a head start for severe cases.

An index can hold the order only if it does not change over time. So the urgency of a case is a fixed moment: its
deadline minus the head start of its severity. A critical case comes before the other cases of a day. A mild case rises
as it ages, so its turn always comes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.contract.messages import Flag
from pipeline.review.cases.values import Case
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pipeline.judge.labels import Labels

LOW, MEDIUM, HIGH = 0, 1, 2
"""The severities are 0 low, 1 medium, 2 high and 3 critical. `configs/labels.yaml` uses these names."""

HEAD_START = (0.0, 900.0, 7_200.0, 86_400.0)
"""Seconds of head start, by severity."""

TARGETS = (14_400.0, 3_600.0, 900.0, 300.0)
"""Seconds within which a moderator should decide a case, by severity."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """`severities` maps a label to its severity; `targets` are seconds, by severity."""

    severities: Mapping[str, int]
    targets: tuple[float, float, float, float] = TARGETS

    def severity(self, lead: Flag) -> int:
        """Return the severity of the flag's worst label.

        A suggestion to block makes it high at least. Speech that the policy passed is low.
        """
        if lead.suggestion == "pass":
            return LOW
        label = self.severities.get(lead.flagged[0], MEDIUM) if lead.flagged else MEDIUM
        return max(label, HIGH) if lead.suggestion == "block" else label

    def columns(self, lead: Flag, at: float) -> dict[str, Any]:
        """Return the columns `severity`, `due_at` and `urgency` of a case that was stored at `at` (UTC seconds).

        `lead` is the case's worst flag.
        """
        return self.place(self.severity(lead), at)

    def of_label(self, label: str) -> int:
        """Return the severity of a label. An unknown label is medium."""
        return self.severities.get(label, MEDIUM)

    def place(self, severity: int, at: float) -> dict[str, Any]:
        """Return these columns for a case of this severity whose deadline counts from `at` (UTC seconds)."""
        due = at + self.targets[severity]
        return {"severity": severity, "due_at": due, "urgency": due - HEAD_START[severity]}

    def since(self, case: Case) -> float:
        """Return the moment from which the deadline of a case counts (UTC seconds): it was stored, or reopened."""
        return case.due_at - self.targets[case.severity]


def build_ranking(settings: Settings) -> Ranking:
    """Return the ranking of the settings and of the label file that they name."""
    from pipeline.judge import labels

    return ranking_of(labels.load_labels(settings.judge.labels), settings)


def ranking_of(known: "Labels", settings: Settings) -> Ranking:
    """Return the ranking of these labels and settings."""
    targets = settings.console.targets_seconds
    return Ranking(
        {name: known.severity(name) for name in known.labels},
        (targets.low, targets.medium, targets.high, targets.critical),
    )
