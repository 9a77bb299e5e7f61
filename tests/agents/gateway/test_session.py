"""Times follow the samples; the clock is asked only at the start and after silence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.gateway.request import Voice
from agents.gateway.session import Session
from pipeline.errors import InputError

VOICE = Voice(room="r", speaker="s", room_type="game", sample_rate=48_000, channels=2)
FRAME = bytes(960 * 2 * 2)
"""20 ms."""
NOW = 1_700_000_000.0


def session() -> Session:
    return Session(VOICE, gap_seconds=1.0)


@given(st.lists(st.tuples(st.integers(0, 2_000), st.floats(0, 0.5)), min_size=1, max_size=40))
def test_times_are_continuous_whatever_the_network_does(frames: list[tuple[int, float]]) -> None:
    made, now, samples = session(), NOW, 0
    for sequence, (count, pause) in enumerate(frames):
        late = 0.99 if sequence else 0
        now = min(now + pause, NOW + samples / 48_000 + late)
        chunk = made.chunk(bytes(count * 4), now, pause)
        assert (chunk.sequence, chunk.start) == (sequence, NOW + samples / 48_000)
        samples += count
    last = made.final()
    assert last is not None
    assert (last.sequence, last.start, last.final, last.data) == (len(frames), NOW + samples / 48_000, True, b"")


def test_the_fields_are_those_of_the_connection() -> None:
    chunk = session().chunk(FRAME, NOW, 0)
    assert (chunk.room, chunk.speaker, chunk.room_type) == ("r", "s", "game")
    assert (chunk.codec, chunk.sample_rate, chunk.channels, chunk.final) == ("pcm_s16le", 48_000, 2, False)
    assert chunk.data == FRAME


def test_after_silence_the_time_jumps_to_now() -> None:
    made = session()
    made.chunk(FRAME, NOW, 0)
    assert made.chunk(FRAME, NOW + 300, waited=300).start == NOW + 300
    assert made.chunk(FRAME, NOW + 300.02, waited=0.02).start == NOW + 300.02


def test_silence_in_small_pieces_adds_up() -> None:
    """Opus with DTX sends a 20 ms packet every 400 ms while nobody speaks."""
    made = session()
    starts = [made.chunk(FRAME, NOW + 0.4 * i, waited=0.4).start for i in range(100)]
    assert all(-0.4 < NOW + 0.4 * i - start <= 1.0 for i, start in enumerate(starts))
    assert starts == sorted(starts)


def test_a_backlog_after_a_stall_of_ours_is_late_and_not_new() -> None:
    made = session()
    made.chunk(FRAME, NOW, 0)
    starts = [made.chunk(FRAME, NOW + 30, waited=0.0001).start for _ in range(50)]
    assert starts == pytest.approx([NOW + 0.02 * (i + 1) for i in range(50)])


def test_time_never_runs_backwards_with_the_clock() -> None:
    made = session()
    first = made.chunk(FRAME, NOW, 0)
    assert made.chunk(FRAME, NOW - 3_600, waited=5).start == pytest.approx(first.start + 0.02)


def test_a_session_that_never_began_has_no_end() -> None:
    made = session()
    with pytest.raises(InputError):
        made.chunk(b"odd", NOW, 0)
    assert made.final() is None
