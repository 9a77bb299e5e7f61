"""The same flags give the same cases: delivered once or twice, in any order, by one worker or several."""

import itertools
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.base.errors import CaseError
from pipeline.contract.messages import Decision, Flag, Word
from pipeline.review.cases.case_values import CaseFile, Choice, Filters, Outcome
from pipeline.review.database import Database
from pipeline.review.delivery import enforcements
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


def so_far(seconds: float, **changes: Any) -> Flag:
    """A flag of the words so far. The whole utterance lasts 12 s."""
    return flag("ann", 0, seconds, **{"early": seconds < 12, "utterance": f"until {seconds}", "risk": 0.5} | changes)


MILD: dict[str, Any] = {"suggestion": "pass", "flagged": (), "hits": (), "reasons": (), "text": "it was only a play"}
BLOCK: dict[str, Any] = {"suggestion": "block", "flagged": ("hate", "violence"), "text": "worse"}


def add(store: SqlReviewStore, *flags: Flag, at: float = NOON) -> list[str]:
    """Store flags as the deliver stage does, and return the results."""
    return [outcome.result for outcome in store.add(store.standing(flags), at)]


def only(store: SqlReviewStore) -> CaseFile:
    [case] = store.cases(Filters())
    return store.case(case.id)


def test_the_whole_utterance_replaces_the_flag_of_its_first_words(store: SqlReviewStore) -> None:
    assert add(store, so_far(3)) == ["created"]
    opened = only(store).case
    whole = so_far(
        12, text="弄死你 and more", risk=0.9, words=(Word("弄死你", NOON, NOON + 1),), address="lookback/1/2"
    )
    assert add(store, whole, at=NOON + 20) == ["updated"]
    file = only(store)
    assert file.flags == (whole,)
    assert (file.case.id, file.case.text, file.case.risk, file.case.end) == (opened.id, whole.text, 0.9, NOON + 12)
    assert (file.case.due_at, file.case.version) == (opened.due_at, 2)


@pytest.mark.parametrize("batches", [[0, 1, 2], [0, 2, 1], [1, 0, 2, 0, 1, 2], [2, 1, 0], [2, 0, 1, 2]])
@pytest.mark.parametrize("together", [True, False])
def test_one_flag_and_one_case_in_any_order(store: SqlReviewStore, batches: list[int], together: bool) -> None:
    found = [so_far(3), so_far(6, **BLOCK), so_far(12, suggestion="block")]
    flags = [found[number] for number in batches]
    for batch in [flags] if together else [[each] for each in flags]:
        add(store, *batch)
    assert only(store).flags == (replace(found[2], early=False),)


@pytest.mark.parametrize("together", [True, False])
def test_a_milder_whole_utterance_keeps_the_flag_of_its_first_words(store: SqlReviewStore, together: bool) -> None:
    first, whole = so_far(3, **BLOCK), so_far(12, **MILD, address="lookback/1/2")
    for batch in [[first, whole]] if together else [[first], [whole], [whole]]:
        add(store, *batch)
    kept = {"end": whole.end, "utterance": whole.utterance, "transcript": whole.transcript, "address": whole.address}
    assert only(store).flags == (replace(first, early=False, **kept),)
    assert add(store, replace(whole, id="other", start=NOON + 60, end=NOON + 70)) == []


def test_a_worse_whole_utterance_makes_the_case_worse(store: SqlReviewStore, database: Database) -> None:
    add(store, so_far(3))
    assert add(store, so_far(12, **BLOCK), at=NOON + 13) == ["worsened"]
    assert (only(store).case.suggestion, only(store).case.label) == ("block", "hate")
    with database.read() as connection:
        assert [each.suggestion for each in enforcements.flagged(connection, NOON + 13)] == ["block"]


def test_words_that_become_fit_for_an_action_are_worse(store: SqlReviewStore, database: Database) -> None:
    add(store, so_far(3))
    assert add(store, so_far(6, act=("violence",)), at=NOON + 7) == ["worsened"]
    assert add(store, so_far(12), at=NOON + 13) == ["updated"]
    assert [each.act for each in only(store).flags] == [("violence",)]
    with database.read() as connection:
        assert [each.act for each in enforcements.flagged(connection, NOON + 7)] == [("violence",)]


def test_a_decision_on_the_first_words_stays(store: SqlReviewStore) -> None:
    add(store, so_far(3))
    decision = store.decide(only(store).case.id, "lea", Choice(verdict="uphold"), NOON + 5)
    for _ in range(2):
        add(store, so_far(6), so_far(12))
    file = only(store)
    assert (file.flags, file.decisions) == ((replace(so_far(3), early=False),), (decision,))
    assert [(each.end, each.text) for each in file.linked] == [(NOON + 12, so_far(12).text)]


def test_words_that_are_worse_than_the_decided_ones_are_a_new_case(store: SqlReviewStore) -> None:
    add(store, so_far(3))
    decided = only(store).case.id
    store.decide(decided, "lea", Choice(verdict="dismiss"), NOON + 5)
    found = [add(store, each) for each in (so_far(6, **BLOCK), so_far(12), so_far(12))]
    assert found == [["created"], ["updated"], ["repeated"]]
    cases = {case.id: case for case in store.cases(Filters())}
    assert cases.pop(decided).verdict == "dismiss"
    assert [(case.suggestion, case.end) for case in cases.values()] == [("block", NOON + 12)]


def test_an_escalated_case_keeps_its_decision_when_its_words_go_on(store: SqlReviewStore) -> None:
    add(store, so_far(3))
    store.decide(only(store).case.id, "lea", Choice(verdict="escalate"), NOON + 5)
    assert add(store, so_far(12)) == ["updated"]
    assert (only(store).case.status, len(only(store).decisions), len(only(store).flags)) == ("escalated", 1, 1)


def test_the_longer_span_joins_the_cases_that_it_touches(store: SqlReviewStore) -> None:
    add(store, so_far(3), flag("later", 8, 10))
    assert len(store.cases(Filters())) == 2
    assert add(store, so_far(12)) == ["updated"]
    assert [each.id for each in only(store).flags] == ["ann", "later"]


def test_a_full_case_still_takes_the_rest_of_its_words(database: Database) -> None:
    store = SqlReviewStore(database, max_case=5)
    add(store, so_far(3))
    assert add(store, so_far(12)) == ["updated"]
    assert only(store).case.end == NOON + 12


def test_a_version_that_makes_other_ids_stores_no_flag_twice(store: SqlReviewStore) -> None:
    add(store, so_far(12))
    assert add(store, so_far(12, id="of another version")) == ["repeated"]
