"""Values of every page: language, menu, ages, times, names of labels."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from pipeline.console.pages import LANGUAGE_COOKIE, NAVIGATION, age, environment, utc
from pipeline.console.texts import Texts
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


def test_the_account_decides_the_language_then_the_cookie_then_the_browser(console: Console, enter: Enter) -> None:
    def language(name: str) -> str:
        client = enter(name)
        client.cookies.set(LANGUAGE_COOKIE, cookie)
        page = client.get("/me" if name else "/login", headers={"accept-language": browser}).text
        return str(LANG.findall(page)[0])

    cookie, browser = "", "zh-CN"
    assert language("").startswith("zh")
    cookie = "en"
    assert (language(""), language("ana")) == ("en", "en")
    with console.database.write() as connection:
        accounts.store_preferences(connection, "ana", Preferences(language="zh"))
    assert language("ana").startswith("zh")
    cookie = "../../etc"
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
