import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.metrics import Metrics
from pipeline.contract.messages import AudioChunk
from pipeline.speech.audio.order import REMEMBERED, Reorder


class Bench:
    """A Reorder, the chunks that it returned, and the faults that it counted."""

    def __init__(self, ahead: int = 3) -> None:
        self.metrics = Metrics()
        self.order = Reorder(ahead, self.metrics.sequence_faults)

    def push(self, *sequences: int, final: bool = False, later: float = 0) -> list[int]:
        given_now = []
        for number in sequences:
            chunk = AudioChunk(room="r", speaker="s", start=number + later, sequence=number, final=final)
            given_now += [ordered.chunk.sequence for ordered in self.order.push(chunk)]
        return given_now

    def faults(self, result: str) -> float:
        return self.metrics.registry.get_sample_value("voxwarden_sequence_faults_total", {"result": result}) or 0


def test_chunks_in_order_are_returned_at_once() -> None:
    bench = Bench()
    assert bench.push(5, 6, 7) == [5, 6, 7]
    assert not bench.order.waiting


def test_an_early_chunk_waits_for_its_turn() -> None:
    bench = Bench()
    assert bench.push(0, 2, 3) == [0]
    assert [(each.arrival, each.chunk.start) for each in bench.order.waiting] == [(2, 2), (3, 3)]
    assert bench.push(1) == [1, 2, 3]
    assert bench.faults("reordered") == 1
    assert bench.faults("gap") == 0


def test_a_missing_chunk_is_skipped_in_the_end() -> None:
    bench = Bench(ahead=3)
    assert bench.push(0, 2, 3, 4) == [0]
    assert bench.push(5) == [2, 3, 4, 5]
    assert bench.faults("gap") == 1
    assert bench.push(1) == []
    assert bench.faults("late") == 1


def test_the_first_chunk_after_a_gap_is_marked() -> None:
    order = Reorder(0, Metrics().sequence_faults)
    marks = [
        ordered.after_gap
        for number in (0, 4, 5)
        for ordered in order.push(AudioChunk(room="r", speaker="s", start=number, sequence=number))
    ]
    assert marks == [False, True, False]


def test_a_chunk_that_arrives_after_a_later_first_chunk_is_late() -> None:
    bench = Bench()
    assert bench.push(4, 3, 5) == [4, 5]
    assert bench.faults("late") == 1


def test_a_duplicate_is_dropped() -> None:
    bench = Bench()
    assert bench.push(0, 0, 1, 3, 3, 1) == [0, 1]
    assert bench.faults("duplicate") == 3


def test_an_app_that_restarts_its_numbering_is_heard() -> None:
    bench = Bench()
    assert bench.push(100, 101, 103) == [100, 101]
    assert bench.push(0, 1, later=500) == [103, 0, 1]
    assert bench.faults("restart") == 1


def test_an_app_that_restarts_its_numbering_is_heard_even_if_its_clock_was_set_back() -> None:
    """The clock of one gateway may be seconds behind another's, and a machine's clock may be wrong by an hour."""
    bench = Bench()
    assert bench.push(0, 1, 2, later=3_600) == [0, 1, 2]
    assert bench.push(0, 1) == [0, 1]
    assert bench.push(0, later=3_600) == [], "it is a duplicate"
    assert bench.faults("restart") == 1
    assert bench.faults("duplicate") == 1


def test_a_time_in_the_far_future_blocks_no_later_chunk() -> None:
    bench = Bench()
    assert bench.push(0, 1) == [0, 1]
    assert bench.push(2, later=3e8) == [2]
    assert bench.push(0, 1, later=10) == [0, 1]


def test_a_chunk_of_an_ended_session_does_not_wait_for_ever() -> None:
    bench = Bench(ahead=3)
    assert bench.push(0, 1, 5_000) == [0, 1]
    assert bench.push(*range(2, 12)) == list(range(2, 12))
    assert not bench.order.waiting
    assert bench.faults("late") == 1


def test_the_final_chunk_does_not_wait() -> None:
    bench = Bench()
    assert bench.push(0, 2) == [0]
    assert bench.push(4, final=True) == [2, 4]
    assert bench.faults("gap") == 2


def test_a_huge_jump_of_the_numbers_is_cheap() -> None:
    bench = Bench(ahead=0)
    assert bench.push(0, 2**60) == [0, 2**60]
    assert len(bench.order._given_up) == REMEMBERED


def test_flush_returns_all_waiting_chunks() -> None:
    bench = Bench()
    bench.push(0, 3, 5)
    assert [ordered.chunk.sequence for ordered in bench.order.flush()] == [3, 5]
    assert list(bench.order.flush()) == []


@given(st.permutations(range(1, 9)), st.sampled_from([8, 20]))
def test_any_disorder_within_the_limit_is_sorted(numbers: list[int], ahead: int) -> None:
    bench = Bench(ahead)
    assert bench.push(0, *numbers) == list(range(9))
    assert bench.faults("gap") == bench.faults("late") == bench.faults("duplicate") == 0


@given(st.lists(st.integers(0, 40), max_size=60), st.integers(0, 8))
def test_any_numbers_are_returned_once_in_order_with_bounded_memory(numbers: list[int], ahead: int) -> None:
    bench = Bench(ahead)
    gone = []
    for number in numbers:
        gone += bench.push(number)
        assert len(bench.order._waiting) <= ahead
    gone += [ordered.chunk.sequence for ordered in bench.order.flush()]
    assert gone == sorted(set(gone)) or bench.faults("restart")
    dropped = bench.faults("late") + bench.faults("duplicate")
    assert len(gone) + dropped == len(numbers)


@pytest.mark.parametrize("ahead", [0, 1, 8])
def test_every_number_after_the_first_is_returned_for_any_limit(ahead: int) -> None:
    bench = Bench(ahead)
    assert bench.push(*range(3, 50)) == list(range(3, 50))
