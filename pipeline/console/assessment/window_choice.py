"""The window of the assessment pages: the last 30 or 90 days, or dates that the reader chooses."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import Depends, Query
from msgspec import Struct

from pipeline.assessment.report.assessments import default_window
from pipeline.base.errors import InputError
from pipeline.console.services import TheServices
from pipeline.review.delivery.speech_tallies import HOUR
from pipeline.review.quality.figure import Window

DAYS = ("30", "90")

Day = Annotated[date | None, Query(ge=date(2000, 1, 1), lt=date(2100, 1, 1))]


class Chosen(Struct, frozen=True):
    """A window, and the parameters that choose it."""

    window: Window
    days: str
    """One of DAYS. Empty: the reader chose dates."""
    since: date
    until: date
    """The last day of the window, as in the form."""

    @property
    def query(self) -> str:
        """Return the parameters of a link that keeps the window."""
        chosen = {"days": self.days} if self.days else {"since": self.since, "until": self.until}
        return urlencode(chosen)


def choose(services: TheServices, days: Literal["30", "90"] = "90", since: Day = None, until: Day = None) -> Chosen:
    """Return the window of a request. Days are UTC, and `until` belongs to the window.

    Raises InputError for a window that is empty or has not begun.
    """
    now = services.clock()
    if since is None or until is None:
        window = default_window(now, int(days))
        return Chosen(window, days, _day(window.since), _day(window.until - 1))
    return Chosen(window_of(since, until, now), "", since, until)


def window_of(since: date, until: date, now: float) -> Window:
    """Return the window of these days, which ends with the last full hour at the latest. Raises InputError."""
    window = Window(_midnight(since), min(_midnight(until + timedelta(days=1)), now // HOUR * HOUR))
    if window.since >= window.until:
        raise InputError(
            "The window is empty",
            "Choose a first day that is past and not later than the last day.",
            text="window_empty",
        )
    return window


TheWindow = Annotated[Chosen, Depends(choose)]


def _midnight(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


def _day(at: float) -> date:
    return datetime.fromtimestamp(at, UTC).date()
