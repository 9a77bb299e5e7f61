import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.metrics import Metrics
from pipeline.contract.messages import AudioChunk
from pipeline.speech.audio.chunk_order import REMEMBERED, SAME_SECONDS, ChunkOrder, ReceivedSamples, Sessions
from pipeline.speech.audio.stream_codecs import MAX_PACKETS, join_packets, split_packets


class Bench:
    """A Reorder, the chunks that it returned, and the faults that it counted."""

    def __init__(self, ahead: int = 3) -> None:
        self.metrics = Metrics()
        self.order = ChunkOrder(ahead, self.metrics.sequence_faults)

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
    order = ChunkOrder(0, Metrics().sequence_faults)
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


NOW = 1_790_000_000.0
SESSION = "a-session"
RATE = 8_000


def pcm(first: int, end: int, *, session: str = SESSION, start: float | None = None) -> AudioChunk:
    """Stereo samples `first` to `end`. The value of each sample is its number."""
    data = b"".join(number.to_bytes(2, "little") * 2 for number in range(first, end))
    begun = NOW + first / RATE if start is None else start
    return AudioChunk(
        room="r", speaker="s", start=begun, sequence=0, sample_rate=RATE, channels=2,
        session=session, first_sample=first, data=data,
    )  # fmt: skip


def opus(first: int, packets: Sequence[bytes]) -> AudioChunk:
    return AudioChunk(
        room="r", speaker="s", start=NOW + first / 48_000, sequence=0, codec="opus_packets", sample_rate=48_000,
        session=SESSION, first_sample=first, data=join_packets(packets),
    )  # fmt: skip


def numbers(chunk: AudioChunk | None) -> list[int]:
    if chunk is None:
        return []
    found = [int.from_bytes(chunk.data[at : at + 2], "little") for at in range(0, len(chunk.data), 4)]
    assert found[0] == chunk.first_sample
    assert chunk.start == pytest.approx(NOW + found[0] / RATE, abs=1e-6)
    return found


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), min_size=1, max_size=12))
def test_audio_sent_again_on_a_new_connection_is_heard_once(connections: list[tuple[int, int]]) -> None:
    """Each connection begins at or before the end of the received audio, and its chunks have other sizes."""
    received, given, end = ReceivedSamples(), [], 0
    for back, size in connections:
        at = max(0, end - back)
        for first in range(at, at + 3 * size, size):
            given += numbers(received.fresh(pcm(first, first + size)))
        end = max(end, at + 3 * size)
    assert given == list(range(end))


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(1, 30)), min_size=1, max_size=16))
def test_no_sample_is_lost_for_any_spans_in_any_order(spans: list[tuple[int, int]]) -> None:
    received = ReceivedSamples()
    given = [numbers(received.fresh(pcm(first, first + size))) for first, size in spans]
    wanted = {number for first, size in spans for number in range(first, first + size)}
    assert set(itertools.chain.from_iterable(given)) == wanted


def test_opus_packets_are_removed_only_as_a_whole() -> None:
    """Packets have 20 ms. A packet that begins before the end of the heard audio and ends after it is kept."""
    received, packets = ReceivedSamples(), [bytes([8 + 0x90, number]) for number in range(5)]
    assert received.fresh(opus(0, packets[:3])) is not None
    fresh = received.fresh(opus(960, packets[1:]))
    assert fresh is not None
    assert (split_packets(fresh.data), fresh.first_sample) == (packets[3:], 3 * 960)
    assert fresh.start == pytest.approx(NOW + 0.06, abs=1e-3)
    late = received.fresh(opus(5 * 960 - 480, packets[:1]))
    assert late is not None
    assert split_packets(late.data) == packets[:1]
    assert received.fresh(opus(0, packets)) is None


def test_another_session_has_different_audio() -> None:
    received = ReceivedSamples()
    received.fresh(pcm(0, 50))
    assert numbers(received.fresh(pcm(0, 50, session="another-session"))) == list(range(50))


def test_a_session_id_that_is_used_again_hides_no_audio() -> None:
    """The app restarts, counts from 0 and uses the same session id."""
    received = ReceivedSamples()
    received.fresh(pcm(0, 50))
    later = pcm(0, 50, start=NOW + SAME_SECONDS + 1)
    assert received.fresh(later) is later


@pytest.mark.parametrize(
    "chunk",
    [
        pcm(0, 50, session=""),
        pcm(0, 0),
        AudioChunk(room="r", speaker="s", start=NOW, sequence=0, codec="container", session=SESSION, data=b"RIFF"),
        AudioChunk(room="r", speaker="s", start=NOW, sequence=0, codec="opus_packets", session=SESSION, data=b"\0"),
        AudioChunk(
            room="r", speaker="s", start=NOW, sequence=0, codec="opus_packets", session=SESSION,
            data=join_packets([b"\x03"] * MAX_PACKETS),
        ),
    ],
)  # fmt: skip
def test_a_chunk_whose_samples_cannot_be_counted_is_kept(chunk: AudioChunk) -> None:
    received = ReceivedSamples()
    received.fresh(pcm(0, 50))
    assert received.fresh(chunk) is chunk
    assert received.fresh(chunk) is chunk


def test_the_number_of_remembered_speakers_is_bounded() -> None:
    sessions = Sessions(2)
    ann = sessions.of(("r", "ann"))
    for name in ("ben", "ann", "cleo"):
        sessions.of(("r", name))
    assert sessions.of(("r", "ann")) is ann
    ben = sessions.of(("r", "ben"))
    assert ben.fresh(pcm(0, 1)) is not None
