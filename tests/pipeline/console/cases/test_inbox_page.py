"""The inbox, its count, and news for notifications."""

from typing import Any

from pipeline.review.accounts import accounts, wellness
from pipeline.review.appeals import appeals
from pipeline.review.cases import assigning
from pipeline.review.cases.values import Choice
from tests.builders import NOON, flag
from tests.pipeline.console.conftest import Console, Enter


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
