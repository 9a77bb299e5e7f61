"""The inbox, its count, and news for notifications."""

from typing import Any

from sqlalchemy import update

from pipeline.console.cases import inbox_page
from pipeline.console.cases.inbox_page import News, WaitingWork
from pipeline.review.accounts import accounts, wellness
from pipeline.review.accounts.accounts import Preferences, ViewingLimits
from pipeline.review.cases import appeals, assigning, deciding, eligibility, notes
from pipeline.review.cases.case_queue import QueueFilter
from pipeline.review.cases.case_values import Choice
from pipeline.review.database import Database
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.tables.core import CASES
from tests.builders import NOON, flag
from tests.pipeline.console.conftest import Console, Enter
from tests.pipeline.console.servers import words


def stored(console: Console, name: str, at: float = NOON, **changes: Any) -> str:
    return console.store.add([flag(name, speaker=name, **changes)], at)[0].case


def give(console: Console, case: str, account: str, at: float = NOON) -> None:
    with console.database.write() as connection:
        assigning.move(connection, [case], account, "lea", "workload", at, 60.0)


def test_each_person_sees_what_waits_for_them(console: Console, enter: Enter) -> None:
    given, escalated, _ = stored(console, "a"), stored(console, "b"), stored(console, "c")
    give(console, given, "ana")
    console.store.decide(escalated, "ana", Choice(verdict="escalate"), NOON)
    counts = {name: enter(name).get("/inbox/due").json()["count"] for name in ("ana", "ben", "lea", "aud")}
    assert counts == {"ana": 1, "ben": 0, "lea": 1, "aud": 0}
    assert f"/cases/{given}" in enter("ana").get("/inbox").text
    assert f"/cases/{escalated}" in enter("lea").get("/inbox").text
    assert "Nothing waits for you" in enter("ben").get("/inbox").text
    assert "Nothing waits for you" in enter("aud").get("/inbox").text


def test_the_inbox_shows_words_speaker_room_and_who_escalated(console: Console, enter: Enter) -> None:
    given, escalated = stored(console, "a", text="I know where you live"), stored(console, "b", room="lounge")
    give(console, given, "lea")
    console.store.decide(escalated, "ana", Choice(verdict="escalate"), NOON)
    with console.database.write() as connection:
        notes.add_note(connection, given, "ben", "@lea is this a quote?", NOON)
    inbox = words(enter("lea").get("/inbox"))
    for shown in ("I know where you live", "@lea is this a quote?", "Escalated by ana", "b · lounge"):
        assert shown in inbox
    assert inbox.count("Escalated by") == 1
    covered = Preferences(comfort=ViewingLimits(cover=True))
    with console.database.write() as connection:
        accounts.store_preferences(connection, "lea", covered)
        connection.execute(update(CASES).values(severity=3))
    assert "I know where you live" not in enter("lea").get("/inbox").text


def test_who_escalated_a_case_is_not_offered_to_claim_it(console: Console, enter: Enter) -> None:
    case = stored(console, "a")
    console.store.decide(case, "lea", Choice(verdict="escalate"), NOON)
    for path, claim in ((f"/cases/{case}", 'data-do="open"'), (f"/search/preview/{case}", "data-claim")):
        assert claim not in enter("lea").get(path).text
        assert claim in enter("ada").get(path).text
    assert words(enter("lea").post(f"/cases/{case}/open")).count("another person decides it") == 1


def test_the_top_bar_s_counts_are_of_what_the_person_may_get(console: Console, enter: Enter) -> None:
    first, *_ = [stored(console, name) for name in ("ann", "ben", "cy")]
    console.store.decide(first, "ana", Choice(verdict="uphold"), NOON)
    with console.database.write() as connection:
        appeals.lodge(connection, first, "ann", "no", NOON + 60, 10.0)
    for name, count in (("ana", 2), ("ben", 1), ("aud", 2)):  # ben is the speaker of one
        found = enter(name).get("/inbox/due").json()
        assert (found["queue"], found["appeals"]) == (count, 1)


def test_the_top_bar_counts_to_a_hundred(console: Console, enter: Enter) -> None:
    console.store.add([flag(f"f{n}", speaker=f"s{n}") for n in range(130)], NOON)
    assert enter("ana").get("/inbox/due").json()["queue"] == 100


def test_news_come_once_and_wait_for_the_end_of_a_break(console: Console, enter: Enter) -> None:
    ana = enter("ana")
    first = ana.get("/inbox/due").json()
    assert (first["news"]["severe"], first["at"]) == (0, NOON)
    console.clock.now += 10
    give(console, stored(console, "a", console.clock.now, suggestion="block"), "ana", console.clock.now)
    with console.database.write() as connection:
        wellness.start_break(connection, "ana", console.clock.now)
    console.clock.now += 10
    resting = ana.get(f"/inbox/due?since={first['at']}").json()
    assert (resting["at"], resting["count"], set(resting["news"].values())) == (NOON, 1, {0})
    with console.database.write() as connection:
        wellness.end_break(connection, "ana", console.clock.now)
    news = ana.get(f"/inbox/due?since={resting['at']}").json()
    assert (news["at"], news["news"]) == (NOON + 20, {"severe": 1, "near": 0, "mentions": 0, "assigned": 1})
    assert set(ana.get(f"/inbox/due?since={news['at']}").json()["news"].values()) == {0}


def test_a_page_that_slept_gets_only_young_news(console: Console, enter: Enter) -> None:
    stored(console, "a", suggestion="block")
    console.clock.now += 700
    assert enter("ana").get(f"/inbox/due?since={NOON - 1}").json()["news"]["severe"] == 0


def test_a_person_switches_notifications(console: Console, enter: Enter) -> None:
    ana = enter("ana")

    def notify() -> bool:
        with console.database.read() as connection:
            found = accounts.find_account(connection, "ana")
        assert found
        return found.preferences.notify

    assert not notify()
    assert 'data-notify="no"' in ana.get("/me").text
    ana.post("/inbox/notifications", data={"on": "yes"})
    assert notify()
    assert 'data-notify="yes"' in ana.get("/me").text
    ana.post("/inbox/notifications", data={"on": "no"})
    assert not notify()
    assert ana.post("/inbox/notifications", data={"on": "maybe"}).status_code == 422


def test_the_count_does_not_keep_a_session_alive(console: Console, enter: Enter) -> None:
    ana = enter("ana")
    console.clock.now += 3_000
    assert ana.get("/inbox/due").status_code == 200
    console.clock.now += 700
    assert ana.get("/inbox/due").status_code == 401


def store_flags(database: Database, count: int) -> list[str]:
    flags = [flag(str(n), speaker=f"s{n}") for n in range(count)]
    return [outcome.case for outcome in SqlReviewStore(database).add(flags, NOON)]


def due(database: Database, account: str, decides: bool = True) -> WaitingWork:
    with database.read() as connection:
        wanted = QueueFilter(eligibility=eligibility.eligibility_of(connection, account, NOON))
        return inbox_page.due(connection, account, wanted, decides, decides)


def news(database: Database, account: str, since: float, at: float) -> News:
    with database.read() as connection:
        wanted = QueueFilter(eligibility=eligibility.eligibility_of(connection, account, at))
        return inbox_page.news(connection, account, wanted, since, at)


def test_what_waits(database: Database) -> None:
    given, escalated, upheld = store_flags(database, 3)
    with database.write() as connection:
        assigning.move(connection, [given], "lea", "lea", "other", NOON, 60.0)
        notes.add_note(connection, given, "ana", "@lea @aud", NOON)
        deciding.decide(connection, escalated, "ana", Choice(verdict="escalate"), NOON)
        deciding.decide(connection, upheld, "ana", Choice(verdict="uphold"), NOON)
        appeals.lodge(connection, upheld, "s2", "No.", NOON + 60, undo_seconds=10.0)
    assert due(database, "lea") == WaitingWork(mentions=1, assigned=1, escalated=1, appeals=1, disputes=0)
    assert due(database, "ana") == WaitingWork(mentions=0, assigned=0, escalated=0, appeals=0, disputes=0)
    assert due(database, "aud", decides=False) == WaitingWork(
        mentions=1, assigned=0, escalated=0, appeals=0, disputes=0
    )
    assert due(database, "lea").total == 4


def test_what_is_new(database: Database) -> None:
    first, second = store_flags(database, 2)
    with database.write() as connection:
        assigning.move(connection, [first, second], "ana", "lea", "other", NOON + 10, 60.0)
        notes.add_note(connection, first, "ben", "@ana", NOON + 20)
    assert news(database, "ana", NOON, NOON + 30) == News(mentions=1, assigned=2)
    assert news(database, "ana", NOON + 10, NOON + 30) == News(mentions=1)
    assert news(database, "ben", NOON, NOON + 30) == News()
    near = NOON + 3_600 - inbox_page.NEAR_SECONDS
    assert news(database, "ana", near - 1, near) == News(near=2)
    assert news(database, "ana", near, near + 1) == News()
    flags = [flag("severe", speaker="x", suggestion="block"), flag("mild", speaker="y")]
    SqlReviewStore(database).add(flags, NOON + 5_000)
    assert news(database, "ben", NOON + 4_999, NOON + 5_001) == News(severe=1)
