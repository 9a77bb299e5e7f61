"""Every sample has the place that its timestamp says: after loss, silence, restarts and overflows of the counters."""

from collections import Counter
from collections.abc import Sequence

import pytest

from pipeline.connect.rtp.jitter_buffer import ArrivedPacket, InTurn
from pipeline.connect.rtp.rtp_timeline import CLOCK, Placed, RtpCodec, Timeline, join_placed
from tests.pipeline.connect.rtp.packets import rtp
from tests.pipeline.connect.rtp.speech import TICKS, heard, payloads

BEGUN = 1_000.0  # small, because `approx` allows a millionth of it
OPUS = payloads("opus")


class Listener:
    """Follows a timeline. Monotonic time 0 is BEGUN."""

    def __init__(self, codec: RtpCodec = "opus") -> None:
        self.unheard: Counter[str] = Counter()
        self._pieces: list[Placed] = []
        self._timeline = Timeline(codec, lambda at: BEGUN + at, self._count)

    def put(
        self, timestamp: int, payload: bytes, at: float, lost: int = 0, restarted: bool = False, marker: bool = False
    ) -> None:
        arrival = ArrivedPacket(rtp(0, timestamp, payload, marker=marker), at)
        self._pieces += self._timeline.put(InTurn(arrival, lost, restarted))

    def runs(self) -> list[Placed]:
        return join_placed([*self._pieces, *self._timeline.flush()])

    def _count(self, reason: str, seconds: float) -> None:
        self.unheard[reason] += seconds  # type: ignore[assignment]


def in_time(listener: Listener, parts: Sequence[tuple[int, bytes]], rate: int = 48_000) -> None:
    """Put packets that each arrive when they end."""
    for timestamp, payload in parts:
        listener.put(timestamp, payload, timestamp / rate + 0.02)


@pytest.mark.parametrize("codec", CLOCK)
@pytest.mark.parametrize("first", [0, 2**32 - 5_000])
def test_packets_in_a_row_are_one_run(codec: RtpCodec, first: int) -> None:
    """The timestamps wrap around, and the arrival of the first packet gives the time."""
    listener, step = Listener(codec), TICKS[codec]
    for number, payload in enumerate(payloads(codec)):
        listener.put(first + number * step, payload, at=7.02 + number / 50)
    (run,) = listener.runs()
    assert run.start == pytest.approx(BEGUN + 7)
    assert run.pcm == heard(codec, payloads(codec))
    assert abs(len(run.pcm) // 2 - 50 * 320) <= 1
    assert not +listener.unheard


def test_a_jump_of_the_timestamp_alone_is_silence() -> None:
    """Opus with DTX: no packet is lost, and the marker tells that speech goes on."""
    listener = Listener()
    in_time(listener, [(960 * number, OPUS[number]) for number in range(10)])
    for number in range(10, 20):
        listener.put(960 * (number + 40), OPUS[number], at=(number + 41) / 50, marker=number == 10)
    (run,) = listener.runs()
    assert run.pcm == heard("opus", [*OPUS[:10], 960 * 40, *OPUS[10:20]])
    assert not +listener.unheard


def test_a_lost_packet_is_silence_and_counts() -> None:
    listener = Listener()
    in_time(listener, [(0, OPUS[0])])
    listener.put(960 * 3, OPUS[3], at=0.08, lost=2)
    (run,) = listener.runs()
    assert run.pcm == heard("opus", [OPUS[0], 960 * 2, OPUS[3]])
    assert listener.unheard == {"loss": pytest.approx(0.04)}


def test_a_loss_in_silence_counts_no_more_than_its_packets() -> None:
    listener = Listener()
    in_time(listener, [(0, OPUS[0])])
    listener.put(960 * 50, OPUS[1], at=1.02, lost=1, marker=True)
    assert listener.unheard == {"loss": pytest.approx(0.02)}


def test_a_packet_that_cannot_be_decoded_is_silence_and_counts() -> None:
    listener = Listener()
    in_time(listener, [(0, OPUS[0]), (960, b"\xff"), (1_920, OPUS[2])])
    (run,) = listener.runs()
    assert run.pcm == heard("opus", [OPUS[0], 960, OPUS[2]])
    assert listener.unheard == {"broken": pytest.approx(0.02), "loss": 0}


def test_after_a_long_pause_the_audio_has_its_own_start() -> None:
    """The timestamps date it, not the network's jitter."""
    listener = Listener()
    in_time(listener, [(0, OPUS[0])])
    listener.put(48_000 * 60, OPUS[1], at=60.02 + 0.3)
    first, second = listener.runs()
    assert [first.start, second.start] == pytest.approx([BEGUN, BEGUN + 60])
    assert first.pcm == heard("opus", [OPUS[0]])
    assert len(second.pcm) == 640


def test_after_a_pause_the_arrival_corrects_a_clock_that_drifts() -> None:
    listener = Listener()
    in_time(listener, [(0, OPUS[0])])
    listener.put(48_000 * 60, OPUS[1], at=60.02 + 1.5)
    assert listener.runs()[1].start == pytest.approx(BEGUN + 61.5)


@pytest.mark.parametrize(("timestamp", "at"), [(960, 30.04), (2**31 - 1, 0.54), (2**31 + 960, 0.54), (-96_000, 9.0)])
def test_a_timestamp_that_cannot_be_meant_is_replaced_by_the_arrival(timestamp: int, at: float) -> None:
    """It stood still in a pause, or it jumped."""
    listener = Listener()
    in_time(listener, [(0, OPUS[0])])
    listener.put(timestamp, OPUS[1], at)
    assert listener.runs()[1].start == pytest.approx(BEGUN + at - 0.02)


def test_a_stall_of_the_network_moves_nothing() -> None:
    listener = Listener()
    for number, payload in enumerate(OPUS):
        listener.put(960 * number, payload, at=max(3.0, number / 50) if number else 0.02)
    assert [run.pcm for run in listener.runs()] == [heard("opus", OPUS)]


def test_packets_that_overlap_lose_nothing() -> None:
    """A sender whose timestamps fall back: all its audio is kept, and the silence after it is shorter."""
    listener = Listener()
    in_time(listener, [(0, OPUS[0]), (480, OPUS[1]), (960 * 3, OPUS[2])])
    (run,) = listener.runs()
    assert run.pcm == heard("opus", [OPUS[0], OPUS[1], 960, OPUS[2]])


def test_a_restart_begins_anew() -> None:
    listener = Listener()
    in_time(listener, [(0, OPUS[0])])
    listener.put(123_456, OPUS[1], at=1.02, restarted=True)
    first, second = listener.runs()
    assert first.pcm == heard("opus", [OPUS[0]])
    assert second.start == pytest.approx(BEGUN + 1)
    assert not +listener.unheard
