"""China's working days in the spring of 2026, from the State Council's notice of 2025-11-04."""

from datetime import UTC, date, datetime, timedelta

FREE = {date(2026, 4, 6), *(date(2026, 5, day) for day in (1, 4, 5)), date(2026, 6, 19)}
"""Holidays that are no Saturday and no Sunday."""
WORKED = {date(2026, 5, 9)}
"""Weekend days on which people work."""
LAST = date(2026, 6, 30)


def china_day(at: float) -> date:
    """Return the day in China at a time in UTC seconds."""
    return datetime.fromtimestamp(at + 8 * 3_600, UTC).date()


def works(day: date) -> bool:
    """Tell whether a day is a working day. The lists above end with LAST."""
    assert day <= LAST  # noqa: S101 - else the lists are too short
    return day in WORKED or (day.isoweekday() <= 5 and day not in FREE)


def after(day: date, count: int = 30) -> date:
    """Return the day on which `count` working days have passed."""
    later = [day + timedelta(number) for number in range(1, 75)]
    return [each for each in later if works(each)][count - 1]
