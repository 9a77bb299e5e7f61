"""Values of every page: language, menu, ages, times, names of labels."""

import re
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError
from starlette.requests import Request

from pipeline.console.console_texts import Texts
from pipeline.console.rendering import (
    LANGUAGE_COOKIE,
    NAVIGATION,
    ZONE_COOKIE,
    age,
    clock_time,
    environment,
    time_tag,
    utc,
    zone_of,
)
from pipeline.review.accounts import accounts
from pipeline.review.accounts.accounts import Preferences
from tests.builders import NOON, flag
from tests.pipeline.console.conftest import Console, Enter

LENGTHS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
TEXTS = Texts()
LANG = re.compile(r'<html lang="([^"]+)"')


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0 s"), (0, "0 s"), (59.9, "59 s"), (60, "1 m"), (3_599, "59 m"), (3_600, "1 h"), (86_400, "1 d")],
)
def test_ages_at_the_borders_of_units(seconds: float, text: str) -> None:
    assert age(TEXTS.say, "en", seconds) == text


@given(st.floats(0, 1e9))
def test_an_age_is_rounded_down_in_its_largest_unit(seconds: float) -> None:
    number, unit = age(TEXTS.say, "en", seconds).split()
    assert int(number) * LENGTHS[unit] <= seconds < (int(number) + 1) * LENGTHS[unit]
    larger = [length for length in LENGTHS.values() if length > LENGTHS[unit]]
    assert seconds < min(larger, default=float("inf"))


@given(st.integers(0, 4_000_000_000))
def test_a_time_is_shown_in_utc(seconds: int) -> None:
    assert datetime.strptime(utc(seconds), "%Y-%m-%d %H:%M:%SZ").replace(tzinfo=UTC).timestamp() == seconds


def test_a_template_escapes_values_and_refuses_unknown_ones() -> None:
    made = environment()
    assert made.from_string("{{ text }}").render(text="<b>'\"") == "&lt;b&gt;&#39;&#34;"
    with pytest.raises(UndefinedError):
        made.from_string("{{ nothing }}").render()


def test_the_account_decides_the_language_and_without_one_the_cookie_then_the_browser(
    console: Console, enter: Enter
) -> None:
    def language(name: str) -> str:
        client = enter(name)
        client.cookies.set(LANGUAGE_COOKIE, cookie)
        page = client.get("/me" if name else "/login", headers={"accept-language": browser}).text
        return str(LANG.findall(page)[0])

    cookie, browser = "", "zh-CN"
    assert language("").startswith("zh")
    cookie = "en"
    assert (language(""), language("ana")) == ("en", "zh-CN"), "the account says: as in the browser"
    with console.database.write() as connection:
        accounts.store_preferences(connection, "ana", Preferences(language="zh"))
    browser = "en"
    assert language("ana").startswith("zh")
    cookie, browser = "../../etc", "zh-CN"
    assert language("").startswith("zh")


@pytest.mark.parametrize(
    ("name", "some", "none"),
    [
        ("ana", {"/queue", "/appeals", "/me"}, {"/team", "/assessment", "/audit", "/keeping"}),
        ("aud", {"/queue", "/assessment", "/audit", "/keeping"}, {"/team"}),
        ("lea", {"/queue", "/team", "/assessment", "/audit", "/keeping"}, set()),
    ],
)
def test_the_menu_has_only_pages_that_the_person_may_open(
    enter: Enter, name: str, some: set[str], none: set[str]
) -> None:
    client = enter(name)
    page = client.get("/queue").text
    menu = re.search(r"<nav.*?class=.banners", re.sub(r'<a id="inbox".*?>', "", page), re.DOTALL)
    phone = re.search(r'class="tabs-bottom.*?class="sr"', page, re.DOTALL)
    assert menu is not None
    assert phone is not None
    links = re.findall(r'href="([^"]+)"', menu[0])
    assert re.findall(r'href="([^"]+)"', phone[0]) == links
    assert some <= set(links)
    every = {href for entries in NAVIGATION.values() for _, href, _ in entries}
    assert none <= every - set(links)
    assert {client.get(link).status_code for link in links} == {200}
    assert {client.get(link).status_code for link in every - set(links)} <= {403, 404}


def test_labels_have_names_in_the_reader_s_language(console: Console, enter: Enter) -> None:
    console.store.add([flag("a", 0, 5), flag("b", 10, 15, flagged=("of_old",))], NOON)
    ana = enter("ana")
    names = re.compile(r'class="label clip">([^<]+)<')
    assert set(names.findall(ana.get("/queue").text)) == {"Threats and violence", "of_old"}
    assert set(names.findall(ana.get("/queue", headers={"accept-language": "zh"}).text)) == {"威胁暴力", "of_old"}


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
    assert time_tag(NOW, NOW, SHANGHAI, lambda key: say("en", key)) == (
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


@pytest.mark.parametrize(("asked", "encoding"), [("gzip", "gzip"), ("identity", None)])
def test_pages_are_compressed_if_the_browser_takes_it(enter: Enter, asked: str, encoding: str | None) -> None:
    with enter("ana").stream("GET", "/wellness", headers={"accept-encoding": asked}) as got:
        sent = len(b"".join(got.iter_raw()))
    whole = len(enter("ana").get("/wellness").content)  # without a QR code, whose size differs
    assert (got.headers.get("content-encoding"), got.headers["vary"]) == (encoding, "Accept-Encoding")
    assert sent < whole / 2 if encoding else abs(sent - whole) < 200
