"""Turns: few callers work at once, few wait, and all others are refused at once."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline.base.errors import TooManyTries
from pipeline.review.accounts.slow_work import HashTurns


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
