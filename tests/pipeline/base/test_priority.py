"""A thread steps back behind the others."""

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline.base.priority import BEHIND, step_back

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has priorities of threads")


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def in_thread(begin: Callable[[], None] | None) -> int:
    with ThreadPoolExecutor(1, initializer=begin) as thread:
        return thread.submit(niceness).result()


def test_a_thread_steps_back_and_the_others_stay() -> None:
    usual = niceness()
    assert in_thread(step_back) == min(usual + BEHIND, 19)
    assert in_thread(None) == niceness() == usual


def test_threads_that_it_starts_are_behind_too() -> None:
    usual, found = niceness(), []

    def begin() -> None:
        step_back()
        found.append(in_thread(None))

    assert in_thread(begin) == found[0] == min(usual + BEHIND, 19)
