"""A model is in memory once while somebody uses it, and is freed afterwards."""

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from pipeline.base.shared_models import SharedModels
from pipeline.judge import classifier
from pipeline.settings import JudgeSettings


class Thing:
    """Something large."""


def test_threads_that_ask_together_get_the_same_thing() -> None:
    shelf, start = SharedModels[Thing](), Barrier(4)
    made: list[None] = []

    def build() -> Thing:
        made.append(None)
        return Thing()

    def ask() -> Thing:
        start.wait()
        return shelf.get("a", build)

    with ThreadPoolExecutor(4) as threads:
        found = [future.result() for future in [threads.submit(ask) for _ in range(4)]]
    assert len(made) == 1
    assert len(set(found)) == 1
    assert shelf.get("b", build) is not found[0]


def test_a_thing_that_nobody_uses_is_freed() -> None:
    shelf = SharedModels[Thing]()
    made: list[weakref.ref[Thing]] = []
    for _ in range(2):
        made.append(weakref.ref(shelf.get("a", Thing)))
        gc.collect()
    assert [thing() for thing in made] == [None, None]


def test_two_judges_of_the_same_settings_share_their_classifier() -> None:
    one, other = classifier.load_classifier(JudgeSettings()), classifier.load_classifier(JudgeSettings())
    assert one is other
    assert classifier.load_classifier(JudgeSettings(), threads=1) is not one
