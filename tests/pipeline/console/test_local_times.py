"""Times in the reader's zone, with UTC in the tooltip."""

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from pipeline.console.local_times import ZONE_COOKIE, clock_time, tag, zone_of
from pipeline.console.texts import Texts

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 11, 28, 3, 0, tzinfo=UTC).timestamp()


def say(language: str, key: str) -> str:
    return Texts().say(language, key)


@pytest.mark.parametrize(
    ("at", "zone", "english", "chinese"),
    [
        ("2026-11-28 02:14:00", SHANGHAI, "10:14", "10:14"),
        ("2026-11-27 16:00:00", SHANGHAI, "00:00", "00:00"),
        ("2026-11-27 15:59:59", SHANGHAI, "27 Nov 23:59", "11-27 23:59"),
        ("2025-12-31 16:00:00", SHANGHAI, "1 Jan 00:00", "01-01 00:00"),
        ("2025-12-31 15:59:00", SHANGHAI, "31 Dec 2025 23:59", "2025-12-31 23:59"),
        ("2026-11-28 02:14:00", UTC, "02:14 UTC", "02:14 UTC"),
    ],
)
def test_today_has_a_clock_time_and_other_days_a_date(at: str, zone: tzinfo, english: str, chinese: str) -> None:
    moment = datetime.fromisoformat(f"{at}+00:00").timestamp()
    assert clock_time(moment, NOW, zone, lambda key: say("en", key)) == english
    assert clock_time(moment, NOW, zone, lambda key: say("zh", key)) == chinese


def test_the_tooltip_has_the_time_in_utc() -> None:
    assert tag(NOW, NOW, SHANGHAI, lambda key: say("en", key)) == (
        '<time datetime="2026-11-28T03:00:00Z" title="2026-11-28 03:00:00 UTC">11:00</time>'
    )


def _request(cookie: str) -> Request:
    return Request({"type": "http", "headers": [(b"cookie", f"{ZONE_COOKIE}={cookie}".encode())]})


@pytest.mark.parametrize("name", ["", "Nowhere/City", "../../etc/passwd", "/etc/passwd", "Asia", "x" * 65])
def test_an_unknown_zone_is_utc(name: str) -> None:
    assert zone_of(_request(name)) is UTC


def test_the_zone_is_the_browsers() -> None:
    assert zone_of(_request("Asia/Shanghai")) == SHANGHAI


@given(st.text())
def test_no_cookie_breaks_a_page(name: str) -> None:
    assert clock_time(NOW, NOW, zone_of(_request(name)), lambda key: say("en", key))
