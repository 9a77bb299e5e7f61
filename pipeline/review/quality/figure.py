"""The values of the assessment: a window of time, and figures with their size, interval and limits."""

from typing import Literal

from msgspec import Struct

from pipeline.review.quality.statistics import Interval

Unit = Literal["share", "seconds", "count", "ratio", "days"]
Unmeasured = Literal[
    "",
    "no_data",
    "not_recorded",
    "needs_ledger",
    "needs_confirmations",
    "needs_audits",
    "needs_listeners",
    "needs_register",
    "censored",
]
"""Why a figure has no value. Empty: it has one. `censored`: it is longer than all times that were observed."""


class Window(Struct, frozen=True):
    """The time from `since` to `until`, in UTC seconds. `until` is not part of it."""

    since: float
    until: float

    @property
    def seconds(self) -> float:
        return self.until - self.since

    def contains(self, at: float) -> bool:
        return self.since <= at < self.until

    def before(self) -> "Window":
        """The window of the same length that ends where this one begins. Trends compare with it."""
        return Window(self.since - self.seconds, self.since)


class Figure(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One measured value of an indicator, for all speech of a window or for one part of it."""

    indicator: str
    """Id of the indicator, for example `I-05`."""
    key: str
    """The value's name within the indicator, for example `p95`."""
    split: dict[str, str] = {}
    """The part of the speech that the figure is about, for example {"language": "zh"}. Empty: all speech.

    The keys are room_type, language, label, policy, model, source, severity and reason.
    """
    unit: Unit
    value: float | None = None
    """None: not measured, see `unmeasured`. A share of nothing is not measured: it is neither 0 nor 1."""
    unmeasured: Unmeasured = ""
    n: int = 0
    """The number of observations: cases, utterances, audits, hours."""
    interval: Interval | None = None
    """The 95 % interval. None: the value is a full count and no estimate, or there is no value."""
    whole: bool = True
    """False: the data cover only a part of the window."""
    cases: str = ""
    """Name of the list of cases behind the value (`pipeline/assessment/figure_cases.py`). Empty: there is none."""
    threshold: float | None = None
    """The operator's limit."""
    met: bool | None = None
    """Whether the value keeps the limit. None: no limit, or no value."""
    previous: float | None = None
    """The value in the window before."""
