"""The same flags give the same cases: delivered once or twice, in any order, by one worker or several."""

import itertools
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from pipeline.base.errors import CaseError
from pipeline.contract.messages import Decision, Flag
from pipeline.review.cases.case_values import Choice, Filters, Outcome
from pipeline.review.database import Database
from pipeline.review.review_store import SqlReviewStore
from tests.builders import NOON, flag
from tests.pipeline.review.writers import deliver, many, work

rooms = map(str, itertools.count())


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[Flag], list[list[Flag]]]:
    """Draw flags of two speakers, and batches that contain each flag at least once, in any order."""
    room = next(rooms)
    spans = draw(
        st.lists(st.tuples(st.integers(0, 40), st.integers(1, 8), st.sampled_from("ab")), min_size=1, max_size=9)
    )
    flags = [
        flag(f"{room}/{number}", start, start + length, room=room, speaker=speaker, risk=number / 10)
        for number, (start, length, speaker) in enumerate(spans)
    ]
    again = draw(st.lists(st.sampled_from(flags), max_size=9))
    order = draw(st.permutations(flags + again))
    cuts = sorted(draw(st.sets(st.integers(1, len(order)), max_size=4)))
    return flags, [order[first:last] for first, last in zip([0, *cuts], [*cuts, len(order)], strict=True)]


def expected(flags: Sequence[Flag]) -> set[frozenset[str]]:
    """Group the ids of flags that touch. This follows the definition and does not use the store's code."""
    groups: list[list[Flag]] = []
    for one in flags:
        touched = [g for g in groups if any(_touch(one, other) for other in g)]
        groups = [g for g in groups if g not in touched] + [[one, *itertools.chain(*touched)]]
    return {frozenset(one.id for one in group) for group in groups}


def _touch(one: Flag, other: Flag) -> bool:
    return one.speaker == other.speaker and one.start <= other.end and other.start <= one.end


def grouped(store: SqlReviewStore, filters: Filters) -> set[frozenset[str]]:
    cases = store.cases(filters, limit=1_000)
    return {frozenset(one.id for one in store.case(case.id).flags) for case in cases}


@pytest.fixture(scope="module")
def reused(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlReviewStore]:
    """A store for all examples. Each example uses its own room."""
    file = tmp_path_factory.mktemp("reused") / "store.db"
    with closing(SqlReviewStore(Database(f"sqlite:///{file}"), max_case=1_000)) as store:
        yield store


@examples(max_examples=60)
@given(delivery=deliveries())
def test_cases_do_not_depend_on_order_batches_or_repetition(
    reused: SqlReviewStore, delivery: tuple[list[Flag], list[list[Flag]]]
) -> None:
    flags, batches = delivery
    results = [outcome.result for batch in batches for outcome in reused.add(batch, NOON)]
    assert len(results) - results.count("repeated") == len(flags)
    filters = Filters(room=flags[0].room)
    assert grouped(reused, filters) == expected(flags)
    for case in reused.cases(filters):
        lead = max(reused.case(case.id).flags, key=lambda one: one.risk)
        assert (case.risk, case.text) == (lead.risk, lead.text)


def check_once(store: SqlReviewStore, outcomes: Sequence[Outcome]) -> None:
    assert sum(outcome.result != "repeated" for outcome in outcomes) == 100
    assert grouped(store, Filters()) == expected(many())


def test_threads_deliver_the_same_flags(store: SqlReviewStore) -> None:
    with ThreadPoolExecutor(4) as pool:
        outcomes = [o for found in pool.map(lambda writer: deliver(store, writer), range(4)) for o in found]
    check_once(store, outcomes)


def test_processes_open_an_empty_store_and_deliver_the_same_flags(empty_url: str) -> None:
    spawn = multiprocessing.get_context("spawn")
    start, results = spawn.Barrier(3), spawn.Queue()
    processes = [spawn.Process(target=work, args=(empty_url, writer, start, results)) for writer in range(3)]
    for process in processes:
        process.start()
    outcomes = [outcome for _ in processes for outcome in results.get(timeout=200)]
    for process in processes:
        process.join()
    with closing(SqlReviewStore(Database(empty_url))) as store:
        check_once(store, outcomes)


def test_one_of_several_concurrent_decisions_is_stored(store: SqlReviewStore) -> None:
    [stored] = store.add([flag("a", 0, 5)], NOON)

    def decide(moderator: str) -> Decision | CaseError:
        try:
            return store.decide(stored.case, moderator, Choice(verdict="uphold"), NOON)
        except CaseError as error:
            return error

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(decide, ["amy", "bob", "cat", "dan"]))
    [kept] = store.case(stored.case).decisions
    assert [answer for answer in answers if isinstance(answer, Decision)] == [kept]


def test_a_batch_is_stored_whole_or_not_at_all(tmp_path: Path) -> None:
    with closing(SqlReviewStore(Database(f"sqlite:///{tmp_path / 'store.db'}"))) as store:
        broken = msgspec.structs.replace(flag("b", 10, 15), hits=(object(),))
        with pytest.raises(TypeError):
            store.add([flag("a", 0, 5), broken], NOON)
        assert store.cases(Filters()) == []
