"""Frames get consecutive numbers, and the times at which they were spoken."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.errors import InputError
from pipeline.connect.client.frame_queue import FrameCutter, FrameQueue, SpokenFrame
from pipeline.contract.messages import StreamCodec
from tests.pipeline.speech.audio.test_stream_codecs import opus_packets


class Now:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


def pcm(now: Now, rate: int = 16_000) -> FrameCutter:
    return FrameCutter("pcm_s16le", rate, 1, now)


def cut(cutter: FrameCutter, seconds: float, start: float | None = None) -> list[SpokenFrame]:
    return list(cutter.cut(bytes(2 * round(seconds * cutter.rate)), start))


def test_the_first_frame_has_just_ended() -> None:
    [frame] = cut(pcm(Now()), 0.1)
    assert (frame.first, frame.after, frame.start, frame.end) == (0, 1_600, 999.9, 1_000.0)


@given(
    st.lists(st.binary(min_size=1, max_size=90_000).map(lambda data: data + data), max_size=5),
    st.sampled_from([(1, 8_000), (2, 16_000), (1, 192_000)]),
)
def test_pieces_are_short_and_lose_no_sample(sent: list[bytes], form: tuple[int, int]) -> None:
    channels, rate = form
    whole = [data + data if channels == 2 else data for data in sent]
    cutter = FrameCutter("pcm_s16le", rate, channels, Now())
    frames = [frame for data in whole for frame in cutter.cut(data)]
    assert b"".join(frame.data for frame in frames) == b"".join(whole)
    assert all(0 < frame.seconds <= 0.2 and len(frame.data) == 2 * channels * frame.samples for frame in frames)
    assert [frame.first for frame in frames] == [0, *(frame.after for frame in frames)][: len(frames)]


def test_late_frames_continue_and_a_pause_begins_at_the_present() -> None:
    now = Now()
    cutter = pcm(now)
    cut(cutter, 0.1)
    now.seconds += 1.0  # 0.9 s later than expected
    assert cut(cutter, 0.1)[0].start == pytest.approx(1_000.0)
    now.seconds += 1.0  # 1.8 s later
    assert cut(cutter, 0.1)[0].start == pytest.approx(1_001.9)


def test_fast_audio_runs_ahead_of_the_clock() -> None:
    cutter = pcm(Now())
    assert cut(cutter, 8.0)[-1].end == pytest.approx(1_000.0)
    assert cut(cutter, 3.0)[-1].end == pytest.approx(1_003.0)
    assert cutter.ahead() == pytest.approx(3.0)


def test_a_stated_time_is_used_if_it_differs_by_more_than_the_gap() -> None:
    cutter = pcm(Now())
    assert cut(cutter, 0.1, 900.0)[0].start == 900.0
    assert cut(cutter, 0.1, 900.5)[0].start == pytest.approx(900.1)
    assert cut(cutter, 0.1, 950.0)[0].start == 950.0
    assert cut(cutter, 0.1, 940.0)[0].start == 940.0
    assert cut(cutter, 0.1, 2_000.0)[0].start == 1_000.0, "nobody has spoken in the future"


def test_a_time_that_is_no_number_is_an_error() -> None:
    with pytest.raises(InputError, match="UTC seconds"):
        cut(pcm(Now()), 0.1, float("nan"))


def test_opus_packets_count_at_48_khz_and_broken_ones_are_skipped() -> None:
    cutter = FrameCutter("opus", 16_000, 1, Now())
    packets = opus_packets("20", "voip")[:3]
    frames = [frame for data in (packets[0], b"", b"\xff", *packets[1:]) for frame in cutter.cut(data)]
    assert [(frame.first, frame.data) for frame in frames] == [(960 * n, packet) for n, packet in enumerate(packets)]
    assert cutter.skipped == 2


def test_pcm_that_ends_inside_a_sample_is_an_error() -> None:
    cutter = pcm(Now())
    with pytest.raises(InputError, match="whole samples"):
        list(cutter.cut(b"abc"))
    assert cut(cutter, 0.1)[0].first == 0


@pytest.mark.parametrize(("codec", "rate", "channels"), [("mp3", 16_000, 1), ("opus", 0, 1), ("pcm_s16le", 16_000, 0)])
def test_a_form_that_cannot_be_is_an_error(codec: StreamCodec, rate: int, channels: int) -> None:
    with pytest.raises(InputError):
        FrameCutter(codec, rate, channels, Now())


def frame(number: int, samples: int = 10) -> SpokenFrame:
    return SpokenFrame(b"", number * samples, samples, float(number), 1.0)


def filled(count: int, limit: float = 60.0) -> FrameQueue:
    queue = FrameQueue(limit)
    for number in range(count):
        queue.put(frame(number))
    return queue


async def taken(queue: FrameQueue, count: int) -> list[int]:
    return [(await queue.take()).first for _ in range(count)]


async def test_each_connection_takes_the_frames_from_the_oldest_on() -> None:
    queue = filled(3)
    assert await taken(queue, 2) == [0, 10]
    queue.acknowledge(10)
    queue.rewind()
    assert await taken(queue, 2) == [10, 20]


async def test_a_full_queue_drops_the_oldest_frames_and_counts_them() -> None:
    queue = filled(5, limit=3.0)
    assert (queue.oldest.first, queue.seconds, queue.dropped) == (20, 3.0, 2.0)
    assert await taken(queue, 3) == [20, 30, 40]


async def test_a_frame_that_is_longer_than_the_limit_is_kept() -> None:
    assert len(filled(1, limit=0.5)) == 1


async def test_only_whole_frames_that_were_taken_are_acknowledged() -> None:
    queue = filled(4)
    await taken(queue, 3)
    for wrong in (31, 40, 10**30, -1, 0, 9):
        assert queue.acknowledge(wrong) is None
    assert (queue.acknowledged, len(queue)) == (0, 4)
    last = queue.acknowledge(25)
    assert last is not None
    assert (last.after, queue.acknowledged, len(queue)) == (20, 20, 2)


async def test_a_frame_settles_when_earlier_ones_are_acknowledged_or_dropped() -> None:
    queue = filled(3, limit=3.0)
    await taken(queue, 3)
    waiting = asyncio.ensure_future(queue.settled(frame(2)))
    queue.acknowledge(10)
    await asyncio.sleep(0)
    assert not waiting.done()
    queue.put(frame(3))
    queue.put(frame(4))  # drops frame 1
    await waiting


STEPS = st.lists(st.one_of(st.just("put"), st.just("take"), st.just("rewind"), st.integers(-5, 200)), max_size=40)


@given(STEPS)
def test_every_frame_is_waiting_acknowledged_or_dropped(steps: list[str | int]) -> None:
    """Whatever numbers the gateway sends, the frames that wait are the newest, and their seconds are right."""
    queue, made = FrameQueue(5.0), 0
    acknowledged = 0

    async def run() -> None:
        nonlocal made, acknowledged
        for step in steps:
            if step == "put":
                queue.put(frame(made))
                made += 1
            elif step == "rewind":
                queue.rewind()
            elif step == "take":
                taking = asyncio.ensure_future(queue.take())
                await asyncio.sleep(0)
                taking.cancel()
            else:
                before = len(queue)
                queue.acknowledge(int(step))
                acknowledged += before - len(queue)
            assert queue.seconds == len(queue) <= 5
            assert len(queue) == 0 or queue.oldest.first == (made - len(queue)) * 10

    asyncio.run(run())
    assert made == len(queue) + acknowledged + queue.dropped
