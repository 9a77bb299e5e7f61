"""The search page: its results, pages and facets, the log of searches, and saved views."""

import csv
import io
import json
import re
from functools import partial
from html import unescape
from typing import get_args
from urllib.parse import parse_qs, urlencode, urlsplit
from zoneinfo import ZoneInfo

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from pipeline.console.cases import search_page
from pipeline.console.cases.search_page import CSV_COLUMNS, csv_of
from pipeline.console.console_texts import Texts
from pipeline.contract.messages import HeardKind, HeardSound
from pipeline.review.audit_log import pseudonym
from pipeline.review.cases.case_values import Case, Choice
from pipeline.review.search.case_lists import ListedCase
from pipeline.review.tables.core import AUDIT
from tests.builders import NOON, flag, sound_flag
from tests.pipeline.console.conftest import Console, Enter

RESULT = re.compile(r'<li class="result" data-case="([0-9a-f-]+)"')
MORE = re.compile(r'hx-get="(/search/rows[^"]+)"')
MARK = re.compile(r"<mark>(.*?)</mark>")
FACET = re.compile(
    r'<li><a href="([^"]+)"( aria-current="true")?><span class="box">.*?<span class="n">([\d,+]+)</span>', re.DOTALL
)


def store(console: Console, *texts: str) -> list[str]:
    """Store a case for each text, each a second after the one before, and return their ids."""
    flags = [flag(f"f{n}", n * 10, n * 10 + 5, text=text, hits=(), speaker=f"s{n}") for n, text in enumerate(texts)]
    return [console.store.add([one], NOON + n)[0].case for n, one in enumerate(flags)]


def search(client: httpx.Client, q: str) -> httpx.Response:
    return client.get("/search", params={"q": q})


def test_results_are_marked_newest_first_and_decided_ones_are_there(console: Console, enter: Enter) -> None:
    first, second, _ = store(console, "一小时返现四百", "Double CASHBACK <b>", "别的")
    console.store.decide(first, "ben", Choice(verdict="uphold"), NOON + 5)
    page = search(enter("ana"), "返现|cashback").text
    assert RESULT.findall(page) == [second, first]
    assert MARK.findall(page) == ["CASHBACK", "返现"]
    assert "&lt;b&gt;" in page
    assert "Cases: 2" in page


def test_lists_name_a_sound_in_the_readers_language(console: Console, enter: Enter) -> None:
    howl = sound_flag("howl", 900, 910, sound=HeardSound(kind="howl", score=0.8))
    song, noise = (console.store.add([one], one.end)[0].case for one in (sound_flag("song"), howl))
    client, chinese = enter("lea"), {"accept-language": "zh-CN"}
    page = client.get("/search", params={"q": "said:howl|anthem"}, headers=chinese).text
    assert RESULT.findall(page) == [noise, song]
    assert "啸叫" in page
    assert re.search(r"违禁录音： <bdi>The <mark>anthem</mark>", page)
    for address in (f"/search/preview/{noise}", "/rooms/room", "/speakers/ann", f"/cases/{song}"):
        assert "啸叫" in client.get(address, headers=chinese).text, address
    lines = csv.DictReader(io.StringIO(client.get("/search/results.csv", headers=chinese).content.decode("utf-8-sig")))
    assert {line["said"] for line in lines} == {"啸叫", "违禁录音： The anthem"}


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("kind", get_args(HeardKind))
def test_a_sound_is_found_by_its_name_as_it_is_shown(
    console: Console, enter: Enter, kind: HeardKind, language: str
) -> None:
    heard = sound_flag("heard", sound=HeardSound(kind=kind, name="The anthem", score=0.8))
    noise = sound_flag("noise", 900, 910, sound=HeardSound(kind="music" if kind == "howl" else "howl", score=0.8))
    [case, _] = (console.store.add([one], one.end)[0].case for one in (heard, noise))
    shown = Texts().say(language, f"sound.{kind}")
    if kind != shown.casefold():  # the words of a case are found, too
        store(console, f"somebody said {kind} and The anthem")
    for name in (shown, f"{shown} The anthem", shown.rstrip(":：")):
        assert RESULT.findall(search(enter("lea"), f'"{name}"').text) == [case], name


def test_a_part_of_the_name_of_a_sound_is_enough(console: Console, enter: Enter) -> None:
    howl = sound_flag("howl", sound=HeardSound(kind="howl", score=0.8))
    case = console.store.add([howl], NOON)[0].case
    for name in ("啸", "嘯叫", "ACOUSTIC feedback", "howl", "howl|返现"):
        assert RESULT.findall(search(enter("lea"), name).text) == [case], name
    assert RESULT.findall(search(enter("lea"), '"howl anthem"').text) == []


def test_the_pages_contain_every_result_once(console: Console, enter: Enter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_page, "PAGE", 2)
    cases = store(console, *["返现 & + 茶"] * 5)
    client, seen = enter("aud"), list[str]()
    page = search(client, '"返现 & +"').text
    while True:
        seen += RESULT.findall(page)
        more = MORE.search(page)
        if more is None:
            break
        page = client.get(unescape(more[1])).text
    assert seen == cases[::-1]


@pytest.mark.parametrize(
    ("order", "expected"), [("newest", [2, 1, 0]), ("oldest", [0, 1, 2]), ("risk", [1, 0, 2]), ("风险", [1, 0, 2])]
)
def test_results_have_the_order_that_was_asked_for(
    console: Console, enter: Enter, monkeypatch: pytest.MonkeyPatch, order: str, expected: list[int]
) -> None:
    monkeypatch.setattr(search_page, "PAGE", 2)
    risks = (0.6, 0.9, 0.3)
    flags = [flag(f"f{n}", n * 10, n * 10 + 5, text="返现", risk=risk, hits=()) for n, risk in enumerate(risks)]
    cases = [console.store.add([one], NOON + n)[0].case for n, one in enumerate(flags)]
    client = enter("ana")
    page = search(client, f"返现 sort:{order}").text
    shown = RESULT.findall(page)
    more = MORE.search(page)
    assert more
    shown += RESULT.findall(client.get(unescape(more[1])).text)
    assert shown == [cases[n] for n in expected]


def test_the_page_says_that_only_the_newest_cases_are_ordered(
    console: Console, enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_page, "COUNTED", 2)
    store(console, "返现", "返现")
    assert "Of the newest 2" in search(enter("ana"), "返现 sort:risk").text
    assert "Of the newest" not in search(enter("ana"), "返现").text


def test_a_lead_exports_the_results_and_it_is_logged(console: Console, enter: Enter) -> None:
    first, second, _ = store(console, "一小时返现四百", "=返现()", "别的")
    console.store.decide(first, "ben", Choice(verdict="uphold"), NOON + 5)
    answer = enter("lea").get("/search/results.csv", params={"q": "返现 sort:oldest"})
    lines = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [line["case"] for line in lines] == [first, second]
    assert [line["said"] for line in lines] == ["一小时返现四百", "'=返现()"]
    assert [(line["verdict"], line["decided_by"]) for line in lines] == [("uphold", "ben"), ("", "")]
    assert answer.headers["content-disposition"] == 'attachment; filename="cases.csv"'
    assert enter("ana").get("/search/results.csv", params={"q": "返现"}).status_code == 403
    assert "results.csv" not in search(enter("ana"), "返现").text
    assert "/search/results.csv?q=said" in search(enter("lea"), "返现").text
    with console.database.read() as connection:
        [line] = connection.execute(select(AUDIT).where(AUDIT.c.action == "search.export")).all()
    assert (line.actor, json.loads(line.detail)["found"], "返现" in line.detail) == ("lea", 2, False)


def test_a_term_is_added_to_the_address(enter: Enter) -> None:
    answer = enter("ana").get("/search", params={"q": "label:fraud", "more": " 返现 "})
    assert answer.status_code == 303
    assert parse_qs(urlsplit(answer.headers["location"]).query) == {"q": ["label:fraud 返现"]}


def test_facets_lead_to_the_search_with_the_value_and_back(console: Console, enter: Enter) -> None:
    [decided, waiting] = store(console, "返现 一", "返现 二")
    console.store.decide(decided, "ben", Choice(verdict="uphold"), NOON + 5)
    client = enter("ana")
    facets = FACET.findall(search(client, "返现").text)
    [(href, _, count)] = [one for one in facets if "verdict%3Aviolation" in one[0]]
    assert count == "1"
    chosen = client.get(unescape(href)).text
    assert RESULT.findall(chosen) == [decided]
    [(back, current, _)] = [one for one in FACET.findall(chosen) if one[1]]
    assert current
    assert RESULT.findall(client.get(unescape(back)).text) == [waiting, decided]


@pytest.mark.parametrize(
    ("language", "words"), [("en", "There is no field “colour”. Use one of said"), ("zh", "没有“colour”这个条件。")]
)
def test_an_error_names_the_part_in_the_reader_s_language(enter: Enter, language: str, words: str) -> None:
    answer = enter("ana").get("/search", params={"q": "colour:red"}, headers={"accept-language": language})
    assert answer.status_code == 422
    assert words in re.sub(r"</?b>", "", answer.text)


def test_a_search_is_logged_without_words_and_names(console: Console, enter: Enter) -> None:
    store(console, "返现")
    search(enter("ana"), "返現 speaker:s0 status:open")
    search(enter("ana"), "")
    with console.database.read() as connection:
        [line] = connection.execute(select(AUDIT).where(AUDIT.c.action == "search")).all()
    assert (line.actor, line.subject) == ("ana", "cases")
    assert json.loads(line.detail) == {
        "said": [[pseudonym("返现")]],
        "speaker": [pseudonym("s0")],
        "status": ["pending"],
        "found": 1,
    }


def test_a_covered_transcript_is_covered_in_results(console: Console, enter: Enter) -> None:
    console.store.add([flag("f", text="返现", suggestion="block", hits=())], NOON)
    client = enter("ana")
    client.post("/wellness/comfort", data={"cover": "on", "most_minutes": 240, "most_severe": 100,
                                           "break_minutes": 50, "break_severe": 20})  # fmt: skip
    page = search(client, "返现").text
    assert "<mark>" not in page


def test_a_preview_shows_the_case_and_is_logged(console: Console, enter: Enter) -> None:
    [case] = store(console, "一小时返现四百")
    page = enter("aud").get(f"/search/preview/{case}", params={"q": "返现"})
    assert MARK.findall(page.text) == ["返现"]
    assert 'href="/speakers/s0"' in page.text
    assert enter("aud").get("/search/preview/0-0").status_code == 404
    with console.database.read() as connection:
        viewed = select(AUDIT.c.subject).where(AUDIT.c.action == "case.view")
        assert connection.scalars(viewed).all() == [case]


def test_a_person_does_not_find_their_own_case(console: Console, enter: Enter) -> None:
    [made] = console.store.add([flag("f", text="返现", hits=(), speaker="ana")], NOON)
    ana = enter("ana")
    assert RESULT.findall(search(ana, "返现").text) == []
    assert ana.get(f"/search/preview/{made.case}").status_code == 403
    assert ana.get("/speakers/ana").status_code == 404
    assert RESULT.findall(search(enter("ben"), "返现").text) == [made.case]


def test_views_are_saved_shared_renamed_and_deleted(console: Console, enter: Enter) -> None:
    ana, ben = enter("ana"), enter("ben")
    query = urlencode({"q": "返现 status:open"})
    saved = ana.post("/views", data={"name": " Cash  back ", "page": "search", "query": query})
    assert saved.headers["hx-redirect"] == f"/search?{query}"
    page = ana.get("/search").text
    assert ">Cash back<" in page
    assert ">Cash back<" not in ben.get("/search").text
    found = re.search(r'hx-post="(/views/[0-9a-f-]+)"', page)
    assert found
    assert ben.post(found[1], data={"name": "Mine"}).status_code == 422
    ana.post(found[1], data={"name": "Team's", "shared": "true"})
    assert "Shared by ana" in ben.get("/search").text
    assert ben.post(f"{found[1]}/delete").status_code == 422
    assert ana.post(f"{found[1]}/delete").status_code == 204
    assert "Team&#39;s" not in ben.get("/search").text
    assert ana.post("/views", data={"name": " ", "page": "search"}).status_code == 422
    del console


SAY = partial(Texts().say, "zh")


def listed(text: str = "hello", speaker: str = "ann", room: str = "lobby") -> ListedCase:
    case = Case(
        id="c", room=room, speaker=speaker, room_type="default", start=NOON, end=NOON + 5, label="abuse",
        suggestion="review", risk=0.456, language="en", text=text, created_at=NOON + 7,
    )  # fmt: skip
    later = flag("b", 6, 9, text="and more")
    return ListedCase(case=case, flags=(later, flag("a", 0, 5, text=text)), decision=None, clip=None, appealed=False)


def read(body: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline="")))


def test_a_line_has_the_case_and_all_that_was_said_in_it_by_time() -> None:
    [line] = read(csv_of([listed()], SAY, ZoneInfo("Asia/Shanghai")))
    assert tuple(line) == CSV_COLUMNS
    assert (line["case"], line["severity"], line["risk"], line["verdict"]) == ("c", "medium", "0.46", "")
    assert line["said"] == "hello / and more"
    assert line["stored"].endswith(":07+08:00")


@given(st.text(max_size=30).filter(lambda text: "\x00" not in text))
def test_no_cell_is_a_formula(text: str) -> None:
    [line] = read(csv_of([listed(text, text, text)], SAY))
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in line.values())
