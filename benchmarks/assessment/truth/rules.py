"""What the operator of the simulated world has decided. Times are seconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from benchmarks.assessment.facts import DAY, HOUR, ILLEGAL


class Limit(NamedTuple):
    """The operator's limit for a figure. A good value is at least, or at most, this number."""

    better: Literal["least", "most"]
    number: float

    def kept(self, value: float) -> bool:
        return value >= self.number if self.better == "least" else value <= self.number


LIMITS: Mapping[tuple[str, str], Limit] = {
    ("I-01", "share"): Limit("least", 0.2),
    ("I-02", "share"): Limit("least", 0.99),
    ("I-03", "share"): Limit("most", 0.02),
    ("I-05", "p95"): Limit("most", 5.0),
    ("I-06", "in_time"): Limit("least", 0.5),
    ("I-07", "confirmed"): Limit("least", 0.99),
    ("I-08", "open"): Limit("most", 1.0),
    ("I-12", "share"): Limit("least", 0.3),
    ("I-17", "longest_gap"): Limit("most", 2 * HOUR),
    ("I-20", "independent"): Limit("least", 1.0),
    ("I-24", "listener_seconds"): Limit("most", 400_000.0),
    ("I-25", "clusters"): Limit("most", 0.0),
    ("I-28", "failed"): Limit("most", 0.0),
    ("I-30", "in_time"): Limit("least", 0.9),
}


@dataclass(frozen=True)
class Rules:
    """All that the operator sets."""

    illegal: frozenset[str] = ILLEGAL
    limits: Mapping[tuple[str, str], Limit] = field(default_factory=lambda: LIMITS)
    low_confidence: float = 0.5
    languages: frozenset[str] = frozenset({"zh", "en"})
    targets: tuple[float, ...] = (14_400.0, 3_600.0, 900.0, 300.0)
    settled: float = 25 * HOUR
    lease: float = 300.0
    report: float = DAY
    appeal: float = DAY
    spread_rooms: int = 3
    spread_speakers: int = 3
    spread: float = HOUR
    stable_loss: float = 0.05
    dismissed_days: float = 4.0
    """How long dismissed cases are kept."""
    accounts: int = 6
    growth: float = 0.5
    """Growth of a use that suggests case 3(3)."""
    caught_shift: float = 0.3
    language_share: float = 0.01
    late_cases: int = 3
    missed_cases: int = 2
