"""The pages of speakers and rooms: any id, the cases, the timeline, and who sees what."""

import itertools
import re
from html import unescape

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from pipeline.console.cases.profile_page import strip_dots
from pipeline.console.rendering import profile_href
from pipeline.contract.messages import SpeechStatus
from pipeline.contract.speech_status import status_of
from pipeline.review.audit_log import pseudonym
from pipeline.review.cases import appeals
from pipeline.review.cases.case_values import Choice, ClipPiece, Evidence
from pipeline.review.delivery.room_counts import DAY_SECONDS, DAYS
from pipeline.review.evidence.evidence_store import EvidenceFolder
from pipeline.review.quality import drawing
from pipeline.review.search.finding import FoundCase
from pipeline.review.tables.core import AUDIT
from tests.builders import NOON, flag
from tests.pipeline.console.conftest import Console, Enter

UTTERANCE = re.compile(r'<a class="utt flag \w+" href="/cases/([0-9a-f-]+)"( data-play="[^"]+")?')
CASE = re.compile(r'<a class="plain" href="/cases/([0-9a-f-]+)"')
ODD = ["a/b", "..", ".", "\u202eevil", "a?b#c%20d", "茶 馆", "&<\"'>", "x" * 256, "/", "a//b/", "é\u0301"]


def say(console: Console, name: str, start: float = 0.0, **changes: object) -> str:
    [made] = console.store.add([flag(name, start, start + 5, **changes)], NOON + start)
    return made.case


@pytest.mark.parametrize("name", ODD)
def test_any_id_has_a_page(console: Console, enter: Enter, name: str) -> None:
    case = say(console, "one", speaker=name, room=name)
    client = enter("ana")
    for kind in ("speakers", "rooms"):
        page = client.get(profile_href(kind, name))
        assert page.status_code == 200
        title = re.search(r"<h1><bdi>(.*?)</bdi></h1>", page.text, re.DOTALL)
        assert title
        assert unescape(title[1]) == name
        assert CASE.findall(page.text) == [case]


def test_an_unknown_id_is_not_found(enter: Enter) -> None:
    for path in ("/speakers/nobody", "/rooms/nowhere", "/speakers/", "/rooms/?name="):
        assert enter("ana").get(path).status_code == 404


def test_the_timeline_has_all_voices_and_plays_what_is_kept(console: Console, enter: Enter) -> None:
    mine = say(console, "one", 0, speaker="ann")
    other = say(console, "two", 30, speaker="ben")
    say(console, "far", 7_200, speaker="cy")
    say(console, "elsewhere", 30, speaker="dee", room="den")
    evidence = EvidenceFolder(console.evidence)
    path = evidence.put(mine, NOON - 2, b"x")
    timeline = (ClipPiece(0.0, NOON - 2, 10.0),)
    console.store.attach(
        Evidence(path=path, case=mine, start=NOON, end=NOON + 5, seconds=10, bytes=1, sha256="", timeline=timeline)
    )
    page = enter("ana").get("/speakers/ann").text
    found = dict(UTTERANCE.findall(page))
    assert found.keys() == {mine, other}
    assert found[mine] == f' data-play="/cases/{mine}/clip"'
    assert found[other] == ""
    assert 'data-from="2.0" data-to="7.0"' in page
    assert "data-play" not in enter("aud").get("/speakers/ann").text


def test_a_timeline_moves_and_zooms(console: Console, enter: Enter) -> None:
    early, late = say(console, "one", 0, speaker="ann"), say(console, "two", 1_500, speaker="ben")
    client = enter("ana")
    page = client.get("/rooms/room").text
    assert [case for case, _ in UTTERANCE.findall(page)] == [late]
    earlier = re.search(r'href="([^"]+)"><svg[^>]*>.{0,80}</svg><span class="sr">Earlier', page)
    assert earlier
    page = client.get(unescape(earlier[1]).partition("#")[0]).text
    assert early in [case for case, _ in UTTERANCE.findall(page)]


def test_the_page_shows_decisions_appeals_and_rooms(console: Console, enter: Enter) -> None:
    upheld = say(console, "one", 0)
    say(console, "two", 20, room="den")
    console.store.decide(upheld, "ben", Choice(verdict="uphold", action="mute"), NOON + 30)
    with console.database.write() as connection:
        appeals.lodge(connection, upheld, "ann", "I was quoting.", NOON + 60, undo_seconds=10.0)
    client = enter("ana")
    page = client.get("/speakers/ann").text
    for words in ("I was quoting.", "Violation", 'href="/rooms/den"'):
        assert words in page
    assert CASE.findall(client.get("/speakers/ann?show=violation").text) == [upheld]


def test_a_check_is_not_recognised_on_the_page_of_its_speaker(console: Console, enter: Enter) -> None:
    original, other = say(console, "one", 0), say(console, "two", 20)
    console.store.decide(original, "ben", Choice(verdict="uphold"), NOON + 30)
    with console.database.write() as connection:
        drawing.copy(connection, EvidenceFolder(console.evidence), "second", original, "cause", 0.1, NOON + 40)
    for path in ("/speakers/ann", "/rooms/room"):
        page = enter("ana").get(path).text
        assert CASE.findall(page) == [other]
        assert {case for case, _ in UTTERANCE.findall(page)} == {other}
        assert CASE.findall(enter("lea").get(path).text) == [other, original]


def test_a_look_at_a_speaker_is_logged_without_the_name(console: Console, enter: Enter) -> None:
    say(console, "one")
    enter("aud").get("/speakers/ann")
    enter("aud").get("/rooms/room")
    with console.database.read() as connection:
        lines = connection.execute(select(AUDIT.c.action, AUDIT.c.subject).where(AUDIT.c.actor == "aud")).all()
    assert [tuple(line) for line in lines] == [("speaker.view", pseudonym("ann")), ("room.view", "room")]


def other(name: str, start: float, seconds: float, language: str, room: str = "room") -> SpeechStatus:
    status = status_of(flag(name, start, start + seconds, room=room), "skipped", "language")
    return replace(status, language=language)


def test_a_room_shows_the_languages_that_are_not_transcribed(console: Console, enter: Enter) -> None:
    talk = flag("talk", 0, 60, language="en", suggestion="pass", flagged=(), hits=())
    console.store.add([talk, other("a", 60, 90, "fr"), other("b", 150, 30, "vi"), other("c", 0, 9, "de", "den")], NOON)
    page = enter("ana").get("/rooms/room").text
    assert "66.7% of the speech is in languages that are not transcribed (fr, vi)" in page
    rows = re.findall(r'<td class="wide">(\w+)</td><td class="num">([\d.%]+)</td><td class="num">([\d.]+)</td>', page)
    assert rows == [("fr", "50.0%", "1.5"), ("English", "33.3%", "1.0"), ("vi", "16.7%", "0.5")]
    assert (
        "的语音所用语言（fr, vi）不转写" in enter("ana").get("/rooms/room", headers={"accept-language": "zh-CN"}).text
    )


def test_the_languages_of_a_room_are_those_of_the_last_days(console: Console, enter: Enter) -> None:
    say(console, "old", -DAYS * DAY_SECONDS, room="room")
    assert "There was no speech in these days." in enter("ana").get("/rooms/room").text


def test_a_mark_of_the_strip_stands_for_the_cases_of_a_day() -> None:
    found = [
        FoundCase(f"{n}", NOON - ago * DAY_SECONDS, "pending", None, level, "en", 0.5)
        for n, (ago, level) in enumerate([(0.1, 2), (0.9, 2), (0.2, 3), (1.5, 2), (29.9, 2), (90, 2)])
    ]
    dots = strip_dots(found, NOON)
    assert [(dot.severity, dot.cases) for dot in dots] == [(2, 2), (2, 1), (2, 2), (3, 1)]
    places = sorted(dot.x for dot in dots if dot.severity == 2)
    assert all(later - one > 18 for one, later in itertools.pairwise(places)), "no mark cuts another"
    assert 76 <= places[0] <= places[-1] <= 844
