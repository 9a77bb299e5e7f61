"""China's working days, for the due dates of article 7 of the Provisions.

`calendars/YEAR.yaml` has the holidays and the working weekends that the State Council publishes each November for the
next year. A file in `calendars/` beside the configuration file replaces the shipped file of that year, or adds a year.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Self
from zoneinfo import ZoneInfo

from msgspec import Struct
from pydantic import Field, model_validator

from pipeline.base.errors import ConfigError
from pipeline.base.user_files import StrictModel, config_file, read_user_file, shipped_file

SHIPPED = Path(__file__).parent / "calendars"
CHINA = timezone(timedelta(hours=8))  # no zone data needed: China has one time, and no summer time since 1991
ZONES: dict[str, tzinfo] = {"UTC": UTC, "Asia/Shanghai": CHINA}
"""Zones that need no zone data."""
SATURDAY = 5
DAYS = 30
"""Working days within which cases 3(3) to 3(5) must be reported."""


class Span(StrictModel):
    """A holiday, both days included."""

    first: date = Field(alias="from")
    last: date = Field(alias="to")

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last


class Year(StrictModel):
    """The published calendar of one year."""

    year: int
    source: str = Field(min_length=1)
    holidays: dict[str, Span]
    working_weekends: tuple[date, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        spans = self.holidays.values()
        if any(span.first > span.last for span in spans):
            raise ValueError("a holiday ends before it begins")
        days = [day for span in spans for day in (span.first, span.last)] + list(self.working_weekends)
        if wrong := [day for day in days if day.year != self.year]:
            raise ValueError(f"{wrong[0]} is not a day of {self.year}")
        if wrong := [day for day in self.working_weekends if day.weekday() < SATURDAY]:
            raise ValueError(f"{wrong[0]} is no Saturday or Sunday")
        return self

    def works(self, day: date) -> bool:
        """Tell whether a day of this year is a working day."""
        if day in self.working_weekends:
            return True
        return day.weekday() < SATURDAY and not any(day in span for span in self.holidays.values())


class Due(Struct, frozen=True):
    """A due date. None if a year has no calendar; `without` is that year."""

    day: date | None
    without: int | None = None


class Calendar:
    """The working days of all years that have a file in one of the folders. The first folder with the year wins."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self._years: dict[int, Year | None] = {}
        """Files that were read. None: the year has no file."""

    def due(self, start: date, days: int = DAYS) -> Due:
        """Return the last of the `days` working days after `start`, which does not count itself.

        Raises ConfigError for a file that is wrong.
        """
        day = start
        while days:
            day += timedelta(days=1)
            year = self._year(day.year)
            if year is None:  # no guess: the State Council moves working days every year
                return Due(None, day.year)
            days -= year.works(day)
        return Due(day)

    def _year(self, number: int) -> Year | None:
        if number not in self._years:
            path = next((path for folder in self._folders if (path := folder / f"{number}.yaml").is_file()), None)
            self._years[number] = None if path is None else _read(path, number)
        return self._years[number]

    def file(self, year: int) -> Path:
        """Return where the user writes the calendar of a year: `calendars/` is beside the user's settings file."""
        own = self._folders[0]
        # An update would replace a file in the package, so without a settings file only the folder's name is known.
        return (Path("calendars") if own == SHIPPED else own) / f"{year}.yaml"


def calendar() -> Calendar:
    """Return the user's calendars, beside the settings file that VOXWARDEN_CONFIG names, and the shipped ones."""
    if config_file() == shipped_file():  # the user has no settings file, so no folder beside it
        return Calendar((SHIPPED,))
    return Calendar((config_file().parent / "calendars", SHIPPED))


def day_of(at: float) -> date:
    """Return the day in China at `at` (UTC seconds)."""
    return datetime.fromtimestamp(at, UTC).astimezone(CHINA).date()


def zone_of(name: str) -> tzinfo:
    """Return a time zone by its name, for example Asia/Shanghai.

    Raises ConfigError if it is unknown, or if its days do not begin at a full hour of UTC.
    """
    try:
        zone = ZONES.get(name) or ZoneInfo(name)
    except (ValueError, KeyError, OSError) as error:  # no name, an unknown one, or a folder of the zone data
        raise ConfigError(
            f"Setting assessment.zone: this machine knows no time zone {name}",
            "Write a name such as Asia/Shanghai. A machine without zone data needs the package tzdata.",
        ) from error
    # The tallies count hours of UTC. A day that begins within one cannot be counted from them.
    if any(datetime(2026, month, 1, tzinfo=zone).timestamp() % 3_600 for month in (1, 7)):
        raise ConfigError(
            f"Setting assessment.zone: a day of {name} does not begin at a full hour of UTC",
            "Speech is counted by such hours: choose UTC, or a zone near yours.",
        )
    return zone


def _read(path: Path, number: int) -> Year:
    year = read_user_file(path, Year)
    if year.year != number:
        raise ConfigError(f"{path} is about {year.year}", f"Name it {year.year}.yaml, or correct the key year.")
    return year
