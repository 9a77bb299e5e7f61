"""Times follow the samples. The clock counts only at the start and after silence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from agents.gateway.audio_session import END, Arrival, AudioSession, Frame
from agents.gateway.connection_request import Voice
from pipeline.contract.messages import AudioChunk
from pipeline.speech.audio.stream_codecs import MAX_PACKETS, split_packets

VOICE = Voice(room="r", speaker="s", room_type="game", sample_rate=48_000, channels=2)
OPUS = Voice(room="r", speaker="s", codec="opus", sample_rate=48_000)
TWENTY_MS = Frame(bytes(960 * 2 * 2), 960)
NOW = 1_000.0  # small, because `approx` allows a millionth of it


def session(voice: Voice = VOICE, largest: int = 100_000) -> AudioSession:
    return AudioSession(voice, gap=1.0, ahead=10.0, largest=largest)


def late(seconds: float) -> Voice:
    """Return a client that sends audio `seconds` after it was spoken."""
    return structs.replace(VOICE, start=NOW - seconds)


def take(made: AudioSession, now: float, *frames: Frame, stalled: float = 0.0) -> list[AudioChunk]:
    found = list(made.chunks(frames or (TWENTY_MS,), Arrival(now, stalled)))
    assert sum(samples for _, samples in found) == sum(frame.samples for frame in frames or (TWENTY_MS,))
    return [chunk for chunk, _ in found]


@given(st.lists(st.tuples(st.integers(0, 2_000), st.floats(0, 0.5)), min_size=1, max_size=40))
def test_times_are_continuous_whatever_the_network_does(frames: list[tuple[int, float]]) -> None:
    made, now, samples = session(), NOW, 0
    for sequence, (count, pause) in enumerate(frames):
        late = 0.99 if sequence else 0
        now = min(now + pause, NOW + samples / 48_000 + late)
        (chunk,) = take(made, now, Frame(bytes(count * 4), count))
        assert (chunk.sequence, chunk.start) == (sequence, NOW + samples / 48_000)
        samples += count
    last = made.final()
    assert last is not None
    assert (last.sequence, last.start, last.final, last.data) == (len(frames), NOW + samples / 48_000, True, b"")


def test_a_chunk_has_the_fields_of_its_connection() -> None:
    (chunk,) = take(session(), NOW)
    assert (chunk.room, chunk.speaker, chunk.room_type) == ("r", "s", "game")
    assert (chunk.codec, chunk.sample_rate, chunk.channels, chunk.final) == ("pcm_s16le", 48_000, 2, False)
    assert chunk.data == TWENTY_MS.data


@given(st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=MAX_PACKETS * 2), st.integers(1, 200))
def test_the_frames_of_a_read_are_in_as_few_chunks_as_possible(packets: list[bytes], largest: int) -> None:
    frames = [Frame(packet, 960) for packet in packets]
    chunks = take(session(OPUS, largest), NOW, *frames)
    inside = [split_packets(chunk.data) for chunk in chunks]
    assert [packet for each in inside for packet in each] == packets
    assert all(len(chunk.data) <= max(largest, 62) and chunk.codec == "opus_packets" for chunk in chunks)
    assert [chunk.sequence for chunk in chunks] == list(range(len(chunks)))
    begun = [NOW + 0.02 * sum(map(len, inside[:place])) for place in range(len(inside))]
    assert [chunk.start for chunk in chunks] == pytest.approx(begun)


def test_the_pcm_of_a_read_is_one_chunk() -> None:
    (chunk,) = take(session(), NOW, Frame(b"abcd", 1), Frame(b"efghijkl", 2))
    assert chunk.data == b"abcdefghijkl"


def test_the_time_jumps_to_now_after_silence() -> None:
    made = session()
    take(made, NOW)
    assert take(made, NOW + 300)[0].start == pytest.approx(NOW + 299.98)
    assert take(made, NOW + 300.02)[0].start == pytest.approx(NOW + 300)


def test_lost_packets_lead_to_a_jump_although_frames_never_pause() -> None:
    """Half of the packets are missing. No frame is late, but the time must not fall behind for ever."""
    made = session()
    starts = [take(made, NOW + 0.2 * i, *[TWENTY_MS] * 5)[0].start for i in range(100)]
    assert all(-0.2 < NOW + 0.2 * i - start <= 1.2 for i, start in enumerate(starts))
    assert starts == sorted(starts)


def test_silence_in_small_pieces_adds_up() -> None:
    """Opus with DTX sends a 20 ms packet every 400 ms while nobody speaks."""
    made = session()
    starts = [take(made, NOW + 0.4 * i)[0].start for i in range(100)]
    assert all(-0.4 < NOW + 0.4 * i - start <= 1.02 for i, start in enumerate(starts))
    assert starts == sorted(starts)


@pytest.mark.parametrize("pause", [0.0001, 0.3])
def test_audio_after_a_stall_of_the_gateway_is_late_and_not_new(pause: float) -> None:
    """It comes piece by piece, as the network's buffers let it, at twice the speed of speech or faster."""
    made, piece = session(), [TWENTY_MS] * 30
    take(made, NOW)
    starts = [take(made, NOW + 30 + pause * i, *piece, stalled=30.0 * (i == 0))[0].start for i in range(50)]
    assert starts == pytest.approx([NOW + 0.02 + 0.6 * i for i in range(50)])


def test_a_client_that_was_silent_in_a_stall_does_not_stay_late() -> None:
    made = session()
    take(made, NOW)
    starts = [take(made, NOW + 5 + i, *[TWENTY_MS] * 50, stalled=5.0 * (i == 0))[0].start for i in range(20)]
    assert starts[0] == pytest.approx(NOW + 0.02), "it may be late audio"
    assert starts[-1] == pytest.approx(NOW + 23)


def test_stalls_that_follow_each_other_add_up() -> None:
    made = session()
    take(made, NOW)
    starts = [take(made, NOW + 3 * (i + 1), stalled=3.0)[0].start for i in range(5)]
    assert starts == pytest.approx([NOW + 0.02 * (i + 1) for i in range(5)])
    assert take(made, NOW + 100)[0].start == pytest.approx(NOW + 99.98)


def test_time_never_runs_backwards_with_the_clock() -> None:
    made = session()
    (first,) = take(made, NOW)
    assert take(made, NOW - 5)[0].start == pytest.approx(first.start + 0.02)


def test_time_does_not_run_ahead_of_the_clock() -> None:
    made = session()
    minute = Frame(b"abcd", 60 * 48_000)
    starts = [take(made, NOW + i, minute)[0].start for i in range(5)]
    assert starts == [NOW, *(NOW + i + 10.0 for i in range(1, 5))]


def test_audio_that_is_sent_again_keeps_its_time() -> None:
    made = session(late(7.5))
    assert take(made, NOW)[0].start == NOW - 7.5
    assert take(made, NOW + 0.2)[0].start == pytest.approx(NOW - 7.48), "it is late, not new"


@pytest.mark.parametrize("seconds", [601.0, -11.0, NOW])
def test_a_client_with_a_wrong_clock_is_not_trusted(seconds: float) -> None:
    assert take(session(late(seconds)), NOW)[0].start == NOW


def test_samples_keep_the_numbers_of_the_client() -> None:
    made = session(structs.replace(VOICE, session="0123456789", first_sample=480))
    chunks = take(made, NOW) + take(made, NOW + 0.02, TWENTY_MS, TWENTY_MS) + take(made, NOW + 0.06)
    assert [(chunk.session, chunk.first_sample) for chunk in chunks] == [
        ("0123456789", 480 + number) for number in (0, 960, 2_880)
    ]


def test_a_session_that_never_began_has_no_end() -> None:
    assert session().final() is None


def test_an_end_makes_a_final_chunk_in_its_place_and_the_session_goes_on() -> None:
    made = session()
    chunks = take(made, NOW, TWENTY_MS, TWENTY_MS, END, TWENTY_MS) + take(made, NOW + 0.1, END)
    assert [(chunk.sequence, chunk.final, len(chunk.data)) for chunk in chunks] == [
        (0, False, 7_680), (1, True, 0), (2, False, 3_840), (3, True, 0)
    ]  # fmt: skip
    assert chunks[1].start == chunks[2].start == NOW + 0.04
    assert not made.is_open
    assert take(made, NOW + 0.2, END) == []
    assert made.final() is None


def test_audio_that_is_sent_again_keeps_its_time_until_the_client_has_caught_up() -> None:
    """The client sends at 1.5 times the speed of speech: three frames of 20 ms in each 40 ms."""
    made = session(late(5.0))
    starts = [take(made, NOW + 0.04 * read, *[TWENTY_MS] * 3)[0].start for read in range(300)]
    assert starts == pytest.approx([NOW - 5.0 + 0.06 * read for read in range(300)], abs=1e-5)
    (after_silence,) = take(made, NOW + 20)
    assert after_silence.start == pytest.approx(NOW + 20 - 0.02)


def test_a_pause_of_a_client_that_catches_up_is_not_silence() -> None:
    """The client still has audio to send, so its machine or the network has stalled."""
    made = session(late(5.0))
    begun = [take(made, NOW + 0.04 * read, *[TWENTY_MS] * 3)[0].start for read in range(100)]
    after_the_stall = take(made, NOW + 6.0)[0].start
    assert after_the_stall == pytest.approx(begun[-1] + 0.06)
    assert take(made, NOW + 6.02)[0].start == pytest.approx(begun[-1] + 0.08)


def test_a_late_client_that_falls_silent_does_not_stay_late() -> None:
    made = session(late(5.0))
    take(made, NOW)
    (after_silence,) = take(made, NOW + 3)
    assert after_silence.start == pytest.approx(NOW + 3 - 0.02)
