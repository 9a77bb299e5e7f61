"""New cases as they arrive, for `cases list --follow`."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from agents.commands import cases
from agents.commands.cases import new_cases
from pipeline.base.errors import DependencyError
from pipeline.review.cases.case_values import Case, Filters
from pipeline.review.review_store import SqlReviewStore
from tests.builders import NOON, flag


class World:
    """A store, and a clock that moves with each look. `script` holds what happens after each look."""

    def __init__(self, store: SqlReviewStore, *script: Any) -> None:
        self.store = store
        self.now = NOON
        self._script: Iterator[Any] = iter(script)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        next(self._script)()

    def add(self, *names: str, at: float | None = None, **changes: Any) -> None:
        """Store flags of speakers of their own, now or `at` seconds after NOON, a tenth of a second apart."""
        first = self.now if at is None else NOON + at
        for number, name in enumerate(names):
            self.store.add([flag(name, **{"speaker": name} | changes)], first + number / 10)

    def follow(self, number: int, filters: Filters | None = None, shown: frozenset[str] = frozenset()) -> list[str]:
        found: Iterator[Case] = new_cases(self.store, filters or Filters(), shown, lambda: self.now, self.sleep)
        return [case.speaker for case in islice(found, number)]


def test_new_cases_come_once_in_their_order(store: SqlReviewStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cases, "PAGE", 2)
    world: World = World(
        store,
        lambda: world.add("a"),
        lambda: None,
        lambda: world.add(*"bcde"),
    )
    assert world.follow(5) == ["a", "b", "c", "d", "e"]


def test_only_cases_that_the_filter_lets_through_come(store: SqlReviewStore) -> None:
    world: World = World(store, lambda: world.add("a"), lambda: world.add("b", suggestion="block"))
    assert world.follow(1, Filters(suggestion="block")) == ["b"]


def test_cases_of_before_and_shown_cases_do_not_come(store: SqlReviewStore) -> None:
    world: World = World(store, lambda: world.add("new"))
    world.add("old", at=-60)
    world.add("shown", at=-1)
    [shown] = store.cases(Filters(speaker="shown"))
    assert world.follow(1, shown=frozenset({shown.id})) == ["new"]


def test_a_case_that_becomes_visible_late_comes(store: SqlReviewStore) -> None:
    world: World = World(store, lambda: world.add("b"), lambda: world.add("a", at=-3))
    assert world.follow(2) == ["b", "a"]


def test_a_database_that_does_not_answer_is_asked_again(store: SqlReviewStore, monkeypatch: pytest.MonkeyPatch) -> None:
    found = store.cases
    away = True

    def answers(*given: Any) -> list[Case]:
        if away:
            raise DependencyError("The database does not answer", "Start it.")
        return found(*given)

    def back() -> None:
        nonlocal away
        away = False

    monkeypatch.setattr(store, "cases", answers)
    world: World = World(store, lambda: world.add("a"), back)
    assert world.follow(1) == ["a"]
