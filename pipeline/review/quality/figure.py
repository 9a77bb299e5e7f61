"""A window of time, the figures about it with their size, interval and limits, and sums of the tallies over it."""

import math
from collections.abc import Collection, Iterator, Mapping
from typing import Literal, NamedTuple

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, func, select

from pipeline.base.errors import InputError
from pipeline.review.accounts.presence import QUARTER
from pipeline.review.database import json_key
from pipeline.review.delivery.speech_tallies import HOUR, Measure
from pipeline.review.quality.statistics import Interval
from pipeline.review.tables.assessment_tables import TALLIES

Unit = Literal["share", "seconds", "count", "ratio", "days"]
Unmeasured = Literal[
    "",
    "no_data",
    "not_recorded",
    "needs_ledger",
    "needs_confirmations",
    "needs_audits",
    "needs_opinions",
    "needs_listeners",
    "needs_register",
    "censored",
]
"""Why a figure has no value. Empty: it has one. `censored`: it is longer than all times that were observed."""


Bound = Literal["", "at_least", "at_most"]
"""Whether a value is only a limit of what is known."""
Caveat = Literal["", "reviewed_once"]
"""A cause of error that an interval leaves out. `reviewed_once`: reviewers' errors, with too few second opinions."""


class Window(Struct, frozen=True):
    """The time from `since` to `until`, in UTC seconds. `until` is not part of it."""

    since: float
    until: float

    @property
    def seconds(self) -> float:
        return self.until - self.since

    def contains(self, at: float) -> bool:
        return self.since <= at < self.until


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
    """None: not measured, see `unmeasured`. A share of nothing is not measured: 0 and 1 would both be wrong."""
    unmeasured: Unmeasured = ""
    n: int = 0
    """The number of observations: cases, utterances, audits, hours."""
    interval: Interval | None = None
    """The 95 % interval. None: the value is a full count and no estimate, or there is no value."""
    bound: Bound = ""
    caveat: Caveat = ""
    whole: bool = True
    """False: the data cover only a part of the window."""
    cases: str = ""
    """Name of the list of cases behind the value (`pipeline/assessment/figure_cases.py`). Empty: there is none."""
    threshold: float | None = None
    """The operator's limit."""
    met: bool | None = None
    """Whether the value keeps the limit. None: no limit, or no value."""
    previous: float | None = None
    """The value in the last final report, if its window was about as long."""


Dimension = Literal["hour", "measure", "bucket", "room_type", "language", "label", "policy", "model"]


class Total(NamedTuple):
    """A number of utterances, and their length in 16 kHz samples."""

    n: int = 0
    samples: int = 0


Totals = Mapping[tuple[str, ...], Total]
"""Totals by the values of some dimensions."""


def hours(window: Window) -> range:
    """Return the hours that begin in the window, in hours since 1970 UTC."""
    return range(math.ceil(window.since / HOUR), math.ceil(window.until / HOUR))


def quarters(window: Window) -> range:
    """Return the quarter hours that begin in the window, in quarter hours since 1970 UTC."""
    return range(math.ceil(window.since / QUARTER), math.ceil(window.until / QUARTER))


def check_full_hours(window: Window) -> None:
    """Raise InputError for a window that begins or ends within an hour.

    Tallies count full hours and cases have exact times, so a figure of both would compare two populations.
    """
    if window.since % HOUR or window.until % HOUR:
        raise InputError(
            "The window begins or ends within an hour",
            "Give full hours (UTC): speech is counted by hour.",
            text="window_hours",
        )


def totals(connection: Connection, window: Window, measures: Collection[Measure], *by: Dimension) -> Totals:
    """Return the totals of the hours that begin in the window, by these dimensions.

    An utterance that two of the `measures` count, or two rows of one measure, counts twice.
    """
    key, within = json_key(connection, *(TALLIES.c[name] for name in by)), hours(window)
    query = (
        select(key, func.sum(TALLIES.c.count), func.sum(TALLIES.c.samples))
        .where(TALLIES.c.hour >= within.start, TALLIES.c.hour < within.stop, TALLIES.c.measure.in_(measures))
        .group_by(key)
        .order_by(key)
    )
    return {
        tuple(msgspec.json.decode(values)): Total(int(n), int(samples))
        for values, n, samples in connection.execute(query)
    }


def summed(found: Totals, *values: str) -> Total:
    """Return the sum of the totals whose keys begin with `values`."""
    chosen = [total for key, total in found.items() if key[: len(values)] == values]
    return Total(sum(total.n for total in chosen), sum(total.samples for total in chosen))


def split(found: Totals, **places: int) -> Iterator[tuple[dict[str, str], Totals]]:
    """Yield all totals, and then the totals of each value of the named dimensions.

    `places` gives the place of each dimension in the keys, e.g. room_type=1.
    """
    yield {}, found
    for name, place in places.items():
        for value in sorted({key[place] for key in found}):
            yield {name: value}, {key: total for key, total in found.items() if key[place] == value}
