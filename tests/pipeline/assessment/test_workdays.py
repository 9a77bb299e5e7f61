"""Due dates in China's working days."""

from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.assessment import workdays
from pipeline.assessment.workdays import SHIPPED, Calendar, Due, day_of, zone_of
from pipeline.base.errors import ConfigError

NATIONAL_2025 = date(2025, 9, 30)


def working(year: int) -> list[date]:
    """Return the working days of a year, as `due` steps through them."""
    days, day = [], date(year, 1, 1) - timedelta(days=1)
    calendar = Calendar((SHIPPED,))
    last = date(year, 12, 31)
    while (found := calendar.due(day, 1).day) and found <= last:
        days.append(found)
        day = found
    return days


@pytest.mark.parametrize(("year", "count"), [(2025, 248), (2026, 248)])
def test_a_shipped_year_has_the_working_days_that_were_published(year: int, count: int) -> None:
    assert len(working(year)) == count


def test_holidays_do_not_count_and_working_weekends_do() -> None:
    # After 2025-09-30 come eight days off; 9 and 10 October are weekdays, the 11th is a working Saturday.
    days = [Calendar((SHIPPED,)).due(NATIONAL_2025, count).day for count in (1, 2, 3, 4)]
    assert days == [date(2025, 10, 9), date(2025, 10, 10), date(2025, 10, 11), date(2025, 10, 13)]


def test_thirty_working_days_are_counted_from_the_day_after() -> None:
    # From 2026-09-02 to the 30th are 21: a Sunday is a working day, a Friday is a holiday. 8 to 10 October are 3 more,
    # 12 to 16 October 5 more, and the 19th is the thirtieth.
    assert Calendar((SHIPPED,)).due(date(2026, 9, 1)) == Due(date(2026, 10, 19))


def test_a_year_without_a_file_gives_no_date_and_names_the_file(tmp_path: Path) -> None:
    calendar = Calendar((tmp_path, SHIPPED))
    assert calendar.due(date(2026, 12, 1)) == Due(None, 2027)
    assert calendar.file(2027) == tmp_path / "2027.yaml"


def test_without_settings_of_their_own_people_are_told_where_to_write_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VOXWARDEN_CONFIG", raising=False)
    assert workdays.calendar().file(2027) == Path("calendars/2027.yaml")


def test_the_users_file_adds_a_year(tmp_path: Path) -> None:
    (tmp_path / "2027.yaml").write_text(
        "year: 2027\nsource: a test\nholidays: {元旦: {from: 2027-01-01, to: 2027-01-03}}\n", encoding="utf-8"
    )
    assert Calendar((tmp_path, SHIPPED)).due(date(2026, 12, 31), 1).day == date(2027, 1, 4)


def test_the_users_folder_is_beside_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXWARDEN_CONFIG", str(tmp_path / "mine.yaml"))
    assert workdays.calendar().file(2030) == tmp_path / "calendars" / "2030.yaml"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("year: 2028\nsource: a\nholidays: {}\n", "is about 2028"),
        ("year: 2027\nsource: a\nholidays: {a: {from: 2027-01-03, to: 2027-01-01}}\n", "ends before"),
        ("year: 2027\nsource: a\nholidays: {a: {from: 2026-12-31, to: 2027-01-01}}\n", "2026-12-31"),
        ("year: 2027\nsource: a\nholidays: {}\nworking_weekends: [2027-01-04]\n", "no Saturday"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "2027.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=told) as caught:
        Calendar((tmp_path,)).due(date(2027, 1, 1), 1)
    assert "2027.yaml" in str(caught.value)


def test_zones_have_names() -> None:
    assert zone_of("Asia/Shanghai").utcoffset(None) == timedelta(hours=8)
    assert datetime.fromtimestamp(1_783_000_000, zone_of("Europe/Berlin")).utcoffset() == timedelta(hours=2)


@pytest.mark.parametrize(
    ("name", "told"), [("Shanghai", "knows no time zone"), ("../x", "knows no"), ("Asia/Kolkata", "full hour")]
)
def test_an_unfit_zone_is_refused(name: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        zone_of(name)


def test_the_day_is_chinas() -> None:
    assert day_of(1_767_268_800.0) == date(2026, 1, 1)
    assert day_of(1_767_268_800.0 + 4 * 3_600) == date(2026, 1, 2)
