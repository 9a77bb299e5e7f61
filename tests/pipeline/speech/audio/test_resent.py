"""Samples that are sent again with their numbers are heard once, and no sample is lost."""

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contract.messages import AudioChunk
from pipeline.speech.audio.packets import MAX_PACKETS, pack, unpack
from pipeline.speech.audio.resent import SAME_SECONDS, ReceivedSamples, Sessions

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
        session=SESSION, first_sample=first, data=pack(packets),
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
    assert (unpack(fresh.data), fresh.first_sample) == (packets[3:], 3 * 960)
    assert fresh.start == pytest.approx(NOW + 0.06)
    late = received.fresh(opus(5 * 960 - 480, packets[:1]))
    assert late is not None
    assert unpack(late.data) == packets[:1]
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
            data=pack([b"\x03"] * MAX_PACKETS),
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
