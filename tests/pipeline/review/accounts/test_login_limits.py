"""Tries: a burst, then one at a time, for each key on its own."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from pipeline.base.errors import TooManyTries
from pipeline.review.accounts import login_limits
from pipeline.review.accounts.login_limits import ALLOWED, BROWSER_KEPT_SECONDS, HashTurns, Key, Tries
from pipeline.review.database import Database
from pipeline.review.tables.core import DEVICES
from tests.builders import NOON

ADDRESS: Key = ("address", "192.0.2.1")
NAME: Key = ("name", "ana")
BURST, SECONDS = ALLOWED["address"].burst, ALLOWED["address"].seconds


def test_a_burst_is_allowed_and_then_one_try_for_each_interval() -> None:
    counts = Tries()
    assert [counts.take([ADDRESS], NOON) for _ in range(BURST)] == [0.0] * BURST
    assert counts.take([ADDRESS], NOON) == SECONDS
    assert counts.take([ADDRESS], NOON + SECONDS - 1) == pytest.approx(1)
    assert counts.take([ADDRESS], NOON + SECONDS) == 0
    assert counts.take([ADDRESS], NOON + SECONDS) == SECONDS
    assert counts.take([("address", "192.0.2.2")], NOON) == 0


def test_a_refused_try_takes_nothing_of_the_other_keys() -> None:
    counts = Tries()
    for _ in range(BURST):
        counts.take([ADDRESS], NOON)
    for _ in range(100):
        assert counts.take([ADDRESS, NAME], NOON) > 0
    assert [counts.take([NAME], NOON) for _ in range(ALLOWED["name"].burst)] == [0.0] * ALLOWED["name"].burst


def test_a_try_that_is_given_back_costs_nothing() -> None:
    counts = Tries()
    for _ in range(10 * BURST):
        assert counts.take([ADDRESS], NOON) == 0
        counts.give_back([ADDRESS])


@given(st.lists(st.floats(0, 200), max_size=60))
def test_no_timing_gives_more_than_the_burst_and_the_rate(pauses: list[float]) -> None:
    counts, at, taken = Tries(), NOON, 0
    for pause in pauses:
        at += pause
        taken += not counts.take([ADDRESS], at)
        assert taken <= BURST + (at - NOON) / SECONDS + 1e-6


def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login_limits, "MOST_KEYS", 100)
    counts = Tries()
    for number in range(1_000):
        counts.take([("address", str(number))], NOON)
        assert len(counts) <= 100
    for _ in range(BURST - 1):
        counts.take([("address", "999")], NOON)
    assert counts.take([("address", "999")], NOON) > 0, "the newest keys are kept"


def test_few_work_few_wait_and_the_rest_is_refused_at_once() -> None:
    turns, go = HashTurns(at_once=2, waiting=3), threading.Event()
    refused, working, most, lock = threading.Semaphore(0), 0, 0, threading.Lock()

    def work() -> bool:
        nonlocal working, most
        try:
            with turns.turn():
                with lock:
                    working += 1
                    most = max(most, working)
                go.wait()
                with lock:
                    working -= 1
        except TooManyTries:
            refused.release()
            return False
        return True

    with ThreadPoolExecutor(20) as pool:
        results = [pool.submit(work) for _ in range(20)]
        for _ in range(15):
            refused.acquire()
        go.set()
        done = [result.result() for result in results]
    assert (sum(done), most) == (5, 2)
    assert work(), "all places are free again"


def test_a_failure_frees_the_place() -> None:
    turns = HashTurns(at_once=1, waiting=0)
    for _ in range(3):
        with pytest.raises(KeyError), turns.turn():
            raise KeyError
    with turns.turn(), pytest.raises(TooManyTries) as error, turns.turn():
        pass
    assert error.value.seconds >= 1


def remember(database: Database, token: str = "", name: str = "ana", at: float = NOON) -> str:
    with database.write() as connection:
        return login_limits.remember_browser(connection, token, name, at)


def known(database: Database, token: str, name: str = "ana", at: float = NOON) -> bool:
    with database.read() as connection:
        return login_limits.known_browser(connection, token, name, at) is not None


def test_only_the_cookie_of_the_same_account_is_known(database: Database) -> None:
    token = remember(database)
    assert known(database, token)
    assert not known(database, token, "ben")
    for other in ("", token[:-1], token + "x", token.swapcase()):
        assert not known(database, other)
    with database.read() as connection:
        assert token not in connection.scalars(select(DEVICES.c.id)).all()


def test_people_who_share_a_browser_share_its_cookie(database: Database) -> None:
    token = remember(database)
    assert remember(database, token, "ben") == token
    assert known(database, token)
    assert known(database, token, "ben")
    with database.write() as connection:
        login_limits.forget_browsers(connection, "ana")
    assert [known(database, token, name) for name in ("ana", "ben")] == [False, True]


@pytest.mark.parametrize("token", ["", "a cookie that somebody made up"])
def test_a_cookie_of_others_is_replaced(database: Database, token: str) -> None:
    assert len(remember(database, token)) > 40
    assert not known(database, token)


def test_a_browser_is_forgotten_after_half_a_year_without_a_sign_in(database: Database) -> None:
    token, other = remember(database), remember(database)
    assert remember(database, token, at=NOON + 9) == token
    assert known(database, token, at=NOON + 9 + BROWSER_KEPT_SECONDS)
    assert not known(database, other, at=NOON + 9 + BROWSER_KEPT_SECONDS)
    remember(database, at=NOON + 9 + BROWSER_KEPT_SECONDS)
    with database.read() as connection:
        assert len(connection.scalars(select(DEVICES.c.id)).all()) == 2
