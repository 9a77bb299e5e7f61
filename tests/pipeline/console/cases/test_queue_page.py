"""The queue page: its order, its pages, its filters and its count."""

import re
from html import unescape
from itertools import chain
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from sqlalchemy import update

from pipeline.console.cases import queue_page
from pipeline.console.cases.queue_page import Asked
from pipeline.review.cases import assigning, case_queue, deciding, leases
from pipeline.review.cases.case_queue import QueueFilter
from pipeline.review.cases.case_values import Choice
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.search import views
from pipeline.review.tables.core import CASES
from tests.builders import NOON, case, flag
from tests.pipeline.console.cases.test_case_decisions import decide, stored, taken
from tests.pipeline.console.conftest import Console, Enter

ROW = re.compile(r'class="row" href="/cases/([0-9a-f-]+)"')
MORE = re.compile(r'data-href="([^"]+)"')


def shown(client: httpx.Client, path: str) -> list[list[str]]:
    """Return the ids of the cases on the page at `path` and on all pages after it."""
    pages = []
    while path:
        page = client.get(path)
        assert page.status_code == 200
        pages.append(ROW.findall(page.text))
        more = MORE.search(page.text)
        path = unescape(more[1]) if more else ""
    return pages


def test_the_first_page_is_the_queue(enter: Enter) -> None:
    home = enter("ana").get("/")
    assert (home.status_code, home.headers["location"]) == (303, "/queue")


@pytest.mark.parametrize("count", [3, 4, 6, 7])
def test_the_pages_contain_every_case_once_in_order(
    console: Console, enter: Enter, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(case_queue, "PAGE", 3)
    cases = stored(console, count)
    with console.database.read() as connection:
        order = [case.id for case in case_queue.list_queue(connection, limit=100)]
    pages = shown(enter("ana"), "/queue")
    assert list(chain.from_iterable(pages)) == order
    assert sorted(order) == sorted(cases)
    assert [len(page) for page in pages[:-1]] == [3] * (len(pages) - 1)


def test_the_pages_and_the_next_case_have_the_order_that_the_page_states(
    console: Console, enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Child safety comes first, then what is assigned to the person, then severity; the backlog is of three days."""
    monkeypatch.setattr(case_queue, "PAGE", 2)
    labels = {"given": 0, "ads_spam": 0, "abuse": 1, "fraud": 2, "terror_extremism": 3, "minor_safety": 3}
    store = SqlReviewStore(console.database, ranking=case_queue.Ranking(labels))
    given, mild, middling, grave, critical, child = [
        store.add([flag(label, 0, 5, speaker=str(n), flagged=(label,), hits=())], NOON + n * 60_000)[0].case
        for n, label in enumerate(labels)
    ]
    with console.database.write() as connection:
        assigning.move(connection, [given], "ana", "lea", "workload", NOON, 86_400.0)
    ana = enter("ana")
    expected = [child, given, critical, grave, middling, mild]
    assert "Child safety, then severity, then deadline" in ana.get("/queue").text
    assert list(chain.from_iterable(shown(ana, "/queue"))) == expected
    for one in expected:
        assert f'data-case="{one}"' in ana.post("/next").text
        with console.database.write() as connection:
            deciding.decide(connection, one, "ana", Choice(verdict="dismiss"), NOON)


def test_the_next_page_keeps_the_filters(console: Console, enter: Enter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(case_queue, "PAGE", 1)
    room = "a&b=c#茶 馆"
    wanted = {
        one.case for one in console.store.add([flag(str(n), n * 10, n * 10 + 5, room=room) for n in (100, 101)], NOON)
    }
    stored(console, 2)
    ana = enter("ana")
    first = ana.get("/queue", params={"room": room, "label": "violence"})
    [more] = MORE.findall(first.text)
    query = parse_qs(urlsplit(unescape(more)).query)
    assert (query["room"], query["label"]) == ([room], ["violence"])
    assert {*ROW.findall(first.text), *chain.from_iterable(shown(ana, unescape(more)))} == wanted


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", "abc"),
        ("label=hate", "b"),
        ("language=en", "c"),
        ("room=r", "a"),
        ("speaker=bob", "b"),
        ("suggestion=block", "c"),
        ("policy=strict@2", "a"),
        ("status=pending", "abc"),
        ("status=escalated", ""),
        ("room=r&speaker=bob", ""),
        ("room=&label=", "abc"),
    ],
)
def test_each_filter_narrows_the_list(console: Console, enter: Enter, query: str, names: str) -> None:
    flags = [
        flag("a", 0, 5, room="r", policy="strict@2"),
        flag("b", 10, 15, speaker="bob", flagged=("hate",)),
        flag("c", 20, 25, language="en", suggestion="block"),
    ]
    ids = dict(zip("abc", (outcome.case for outcome in console.store.add(flags, NOON)), strict=True))
    ana = enter("ana")
    page = ana.get(f"/queue?{query}").text
    assert set(ROW.findall(page)) == set(ROW.findall(ana.get(f"/queue/rows?{query}").text)) == {ids[n] for n in names}
    assert f">{len(names)} open · 0 late<" in page


def test_every_filter_of_a_request_reaches_the_queue() -> None:
    names = tuple(Asked.__dataclass_fields__)
    assert set(names) == set(QueueFilter.__struct_fields__) - {"without", "eligibility"}
    words = {"status": "pending", "view": "mine", "severity": "high"}
    given = {name: words.get(name, "review") for name in names}
    asked = Asked(**given)
    assert {name: getattr(asked.wanted, name) for name in names} == given | {"severity": 2}
    assert Asked(severity="low").wanted.severity == 0


def test_the_form_offers_the_severities_most_severe_first(console: Console, enter: Enter) -> None:
    stored(console, 2)
    page = enter("ana").get("/queue?severity=medium").text
    form = page[page.index('<form id="filters"') :]
    choices = re.findall(r'<option value="(\w+)"', form[: form.index("</select>")])
    assert choices == ["critical", "high", "medium", "low"]
    assert '<option value="medium" selected>Medium</option>' in form


def test_rows_show_speaker_and_room_by_default(console: Console, enter: Enter) -> None:
    stored(console)
    assert 'data-density="comfortable"' in enter("ana").get("/queue").text


def test_the_command_palette_reads_the_saved_views(console: Console, enter: Enter) -> None:
    with console.database.write() as connection:
        views.save_view(connection, "ana", "Fraud", "queue", "label=fraud", False, NOON)
        views.save_view(connection, "ben", "Insults", "search", "q=dirt", True, NOON)
        views.save_view(connection, "ben", "own", "search", "q=own", False, NOON)
    assert enter("ana").get("/views").json() == [
        {"name": "Insults", "href": "/search?q=dirt"},
        {"name": "Fraud", "href": "/queue?label=fraud"},
    ]


def test_the_count_stops_at_a_limit(console: Console, enter: Enter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_page, "COUNTED", 2)
    monkeypatch.setattr(case_queue, "PAGE", 2)  # The page counts the cases that its first rows do not show.
    ana = enter("ana")
    stored(console)
    assert ">1 open" in ana.get("/queue").text
    stored(console, 3)
    assert ">2+ open" in ana.get("/queue").text


def test_a_row_shows_the_holder_and_the_strikes(console: Console, enter: Enter) -> None:
    upheld, held = stored(console, 2)
    ana = enter("ana")
    decide(ana, upheld, taken(ana, upheld))
    with console.database.write() as connection:
        leases.claim(connection, held, "ben", NOON)
    page = ana.get("/queue").text
    assert ROW.findall(page) == [held]
    assert 'data-holder="ben"' in page
    assert 'class="strikes"' in page
    console.clock.now += 301
    assert "data-holder" not in ana.get("/queue").text


@pytest.mark.parametrize("query", ["rank=5", "rank=x", "rank=1&due=nan", "rank=1&due=1e13", "rank=1&after=ZZ"])
def test_invalid_places_and_filters_are_refused(enter: Enter, query: str) -> None:
    assert enter("ana").get(f"/queue/rows?{query}").status_code == 422


def test_late_cases_are_counted(console: Console, enter: Enter) -> None:
    stored(console, 2)
    ana = enter("ana")
    assert ">2 open · 0 late<" in ana.get("/queue").text
    console.clock.now += 3_700
    assert ">2 open · 2 late<" in enter("ana").get("/queue").text


def test_a_filter_is_a_chip_that_removes_it() -> None:
    asked = Asked(room="a b", label="fraud")
    assert asked.query == "?label=fraud&room=a+b"
    assert (asked.but("label"), asked.but("room")) == ("/queue?room=a+b", "/queue?label=fraud")
    assert (Asked(room="x").but("room"), Asked().query) == ("/queue", "")


def test_the_page_of_a_case_keeps_the_filters_of_the_list(console: Console, enter: Enter) -> None:
    flags = [flag("a", 0, 5, room="here"), flag("b", 10, 15, room="there", speaker="bob")]
    here, there = (outcome.case for outcome in console.store.add(flags, NOON))
    assert ROW.findall(enter("ana").get(f"/cases/{there}?room=here").text) == [here]


def test_a_filter_of_the_queue_is_saved_as_a_view_and_shared(console: Console, enter: Enter) -> None:
    [fraud, other] = (
        console.store.add([flag(name, 0, 5, speaker=name, flagged=(name,), hits=())], NOON)[0].case
        for name in ("fraud", "abuse")
    )
    ana, ben = enter("ana"), enter("ben")
    assert "Choose filters, then save them as a view." in ana.get("/queue").text
    page = ana.get("/queue", params={"label": "fraud", "room": "room"}).text
    form = re.search(r'name="page" value="(queue)"><input type="hidden" name="query" value="([^"]+)"', page)
    assert form
    saved = {"name": "Money", "page": form[1], "query": unescape(form[2]), "shared": "true"}
    opened = ana.get(ana.post("/views", data=saved).headers["hx-redirect"])
    assert '<h2 id="queue-title" class="view"><bdi>Money</bdi></h2>' in opened.text
    assert ROW.findall(opened.text) == [fraud]
    theirs = ben.get(f"/cases/{other}").text
    [href] = re.findall(r'class="opt" href="([^"]+)" title="Shared by ana"', theirs)
    assert ROW.findall(ben.get(unescape(href)).text) == [fraud]
    assert 'popovertarget="own-views"' not in theirs
    assert 'popovertarget="own-views"' in opened.text


def test_a_row_without_words_says_so(console: Console, enter: Enter) -> None:
    [case] = stored(console)
    with console.database.write() as connection:
        connection.execute(update(CASES).where(CASES.c.id == case).values(text="", hits=[]))
    assert "No words are stored" in enter("ana").get("/queue").text


def test_strikes_belong_to_the_speaker_and_a_holder_to_the_case() -> None:
    found = queue_page.rows_of(
        [case(text="a"), case(text="b", id="d", speaker="bob")], {"bob": 2}, {"c": "ana"}, {"d": "ben"}
    )
    assert [(row.case.id, row.strikes, row.holder, row.owner) for row in found] == [
        ("c", 0, "ana", ""),
        ("d", 2, "", "ben"),
    ]
