"""The audio of one speaker: its times stay correct through gaps and wrong clocks, and its chunks are needed no longer
than its unfinished speech.
"""

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from pipeline.base.errors import BadMessage
from pipeline.base.metrics import Metrics
from pipeline.contract.messages import SAMPLE_RATE, AudioChunk
from pipeline.contract.stage import Rejected
from pipeline.settings import Audio
from pipeline.speech.audio.chunk_order import ReceivedSamples
from pipeline.speech.audio.cutter import PAD_SECONDS
from pipeline.speech.audio.encode import to_pcm16
from pipeline.speech.audio.resample import Samples
from pipeline.speech.audio.speech_track import ChunkMark, ChunkMarks, SpeechPiece, SpeechStream, SpeechTrack
from pipeline.speech.audio.stream_codecs import join_packets
from pipeline.speech.audio.vad import WINDOW, shared
from tests.pipeline.speech.audio.sound import clip, seconds, silence

DAY = 1_790_000_000
BEGIN = DAY * SAMPLE_RATE
SENTENCE = np.concatenate([silence(1.5), clip("tt-weasels"), silence(1)])


class Bench:
    """A speaker, what it returned, and what it counted."""

    def __init__(self, example: bool = True, received: ReceivedSamples | None = None) -> None:
        self.metrics = Metrics()
        self.speaker = SpeechTrack(shared(), Audio(), self.metrics, received or ReceivedSamples(), lambda: example)
        self.speaker.seen = DAY
        self.pieces: list[SpeechPiece] = []
        self.rejected: list[Rejected] = []

    def push(self, *chunks: AudioChunk) -> "Bench":
        for chunk in chunks:
            self.take(self.speaker.push(chunk))
        return self

    def take(self, found: Iterable[SpeechPiece | Rejected]) -> None:
        for each in found:
            if isinstance(each, Rejected):
                self.rejected.append(each)
            else:
                self.pieces.append(each)

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"voxwarden_{name}_total", labels) or 0

    def spans(self) -> list[tuple[float, float]]:
        """Start and end of each piece in seconds after DAY."""
        return [
            ((each.start - BEGIN) / SAMPLE_RATE, (each.start - BEGIN + each.cut.samples.size) / SAMPLE_RATE)
            for each in self.pieces
        ]


def ticks(samples: Samples, start: float = DAY) -> list[AudioChunk]:
    """The samples in chunks of one second that all stay open."""
    return [structs.replace(chunk, final=False) for chunk in seconds(samples, start)]


@settings(max_examples=6)
@given(st.integers(0, SAMPLE_RATE))
def test_the_same_speech_is_cut_in_the_same_place_from_any_start(skipped: int) -> None:
    """The windows lie on one grid since 1970, so the id of an utterance does not depend on where reading began."""
    cuts = []
    for first in (0, skipped):
        stream = SpeechStream(BEGIN + 77 + first, shared(), Audio())
        cuts.append([*stream.push(SENTENCE[first:]), *stream.flush()])
    ((start, cut),), ((again, same),) = cuts
    assert start == again
    assert start % WINDOW == 0
    assert np.array_equal(cut.samples, same.samples)
    assert np.array_equal(cut.samples, SENTENCE[start - BEGIN - 77 :][: cut.samples.size])


@settings(max_examples=20)
@given(st.integers(0, 3 * WINDOW), st.lists(st.integers(0, 3_000), max_size=6))
def test_the_end_of_a_stream_follows_its_samples(start: int, sizes: list[int]) -> None:
    stream = SpeechStream(BEGIN + start, shared(), Audio())
    for size in sizes:
        assert list(stream.push(np.zeros(size, np.float32))) == []
    assert stream.end == BEGIN + start + sum(sizes)
    assert stream.open_since is None
    assert stream.held <= PAD_SECONDS * SAMPLE_RATE + 2 * WINDOW


def test_unfinished_speech_is_sent_once_and_later_cuts_do_not_change() -> None:
    plain, asked = Bench(), Bench()
    chunks = seconds(SENTENCE, DAY)
    plain.push(*chunks)
    asked.push(*chunks[:3])
    assert asked.speaker.is_open
    asked.take(asked.speaker.unfinished())
    asked.take(asked.speaker.unfinished())
    (early,) = asked.pieces
    asked.push(*chunks[3:])
    ((whole,), (_, late)) = plain.pieces, asked.pieces
    assert early.start == whole.start == late.start
    assert np.array_equal(late.cut.samples, whole.cut.samples)
    assert np.array_equal(early.cut.samples, whole.cut.samples[: early.cut.samples.size])
    assert not asked.speaker.is_open


def test_only_the_chunks_of_unfinished_speech_are_needed() -> None:
    bench, chunks = Bench(), ticks(SENTENCE)
    bench.push(chunks[0])
    assert bench.speaker.needed == 0
    bench.push(*chunks[1:3])
    assert bench.speaker.needed == 2
    bench.take(bench.speaker.unfinished())
    assert bench.speaker.needed == 0, "it is told"
    bench.push(chunks[3])
    assert bench.speaker.needed == 3, "there is more of it"
    bench.take(bench.speaker.flush())
    assert (bench.speaker.needed, bench.speaker.held) == (0, 0)


def test_a_missing_chunk_becomes_silence_and_a_long_gap_ends_the_speech() -> None:
    bench, chunks = Bench(), ticks(np.concatenate([SENTENCE, SENTENCE]))
    late = [structs.replace(chunk, start=chunk.start + 60) for chunk in chunks[6:]]
    bench.push(*chunks[:4], *chunks[5:6], *late)
    bench.take(bench.speaker.flush())
    whole = Bench().push(*chunks)
    whole.take(whole.speaker.flush())
    one, two = whole.spans()
    assert bench.spans()[0] == pytest.approx(one, abs=0.5)
    assert bench.spans()[-1] == pytest.approx((two[0] + 60, two[1] + 60), abs=0.1)
    assert bench.count("sequence_faults", result="gap") == 1


def test_a_clock_that_is_set_back_is_followed_from_the_second_chunk_on() -> None:
    bench, chunks = Bench(), ticks(np.concatenate([SENTENCE, SENTENCE]))
    half = len(chunks) // 2
    bench.push(*chunks[:half], *(structs.replace(chunk, start=chunk.start - 3_600) for chunk in chunks[half:]))
    bench.take(bench.speaker.flush())
    one, two = bench.spans()
    assert 0 < one[0] < one[1] < len(SENTENCE) / SAMPLE_RATE
    assert -3_600 < two[0] < two[1] < -3_600 + len(chunks)
    assert bench.count("sequence_faults", result="clock") == 2


def test_chunks_from_tomorrow_are_appended_to_the_speech_of_today() -> None:
    bench, chunks = Bench(), ticks(SENTENCE)
    future = 3 * 86_400
    bench.push(*chunks[:3], *(structs.replace(chunk, start=chunk.start + future) for chunk in chunks[3:]))
    bench.take(bench.speaker.flush())
    plain = Bench().push(*chunks)
    plain.take(plain.speaker.flush())
    assert bench.spans() == plain.spans()


def test_audio_that_was_heard_before_is_heard_no_second_time() -> None:
    received = ReceivedSamples()
    chunks = [
        structs.replace(chunk, session="a-session", first_sample=chunk.sequence * SAMPLE_RATE)
        for chunk in ticks(SENTENCE)
    ]
    Bench(received=received).push(*chunks)
    again = Bench(received=received).push(*chunks)
    again.take(again.speaker.flush())
    assert again.pieces == []
    assert again.count("sequence_faults", result="resent") == len(chunks)


def test_a_chunk_that_cannot_be_decoded_is_rejected_and_the_speech_goes_on() -> None:
    bench, chunks = Bench(), ticks(SENTENCE)
    bad = structs.replace(chunks[0], data=b"odd")
    bench.push(bad, *chunks[1:])
    bench.take(bench.speaker.flush())
    (rejected,) = bench.rejected
    assert rejected.message is bad
    assert isinstance(rejected.error, BadMessage)
    plain = Bench().push(*chunks)
    plain.take(plain.speaker.flush())
    (span,), (wanted,) = bench.spans(), plain.spans()
    assert span == pytest.approx(wanted, abs=0.1)


@pytest.mark.parametrize("example", [True, False])
def test_bad_opus_packets_become_silence_and_one_of_them_an_example(example: bool) -> None:
    bench = Bench(example)
    data = join_packets([b"\xff" * 9, b"\xff" * 9])
    chunk = AudioChunk(
        room="r", speaker="somebody", start=DAY, sequence=0, codec="opus_packets", sample_rate=48_000, data=data
    )
    bench.push(chunk)
    (rejected,) = bench.rejected
    assert rejected.letter == example
    assert "2 Opus packets of chunk 0" in str(rejected.error)
    assert "somebody" not in str(rejected.error)
    assert bench.count("concealed_packets") == 2


def test_the_piece_has_the_room_type_of_its_last_chunk() -> None:
    bench = Bench()
    bench.push(*(structs.replace(chunk, room_type="kids", codec="pcm_s16le", data=to_pcm16(
        np.frombuffer(chunk.data, np.float32))) for chunk in seconds(SENTENCE, DAY)))  # fmt: skip
    assert [piece.origin["room_type"] for piece in bench.pieces] == ["kids"]
    assert bench.count("audio_seconds") == pytest.approx(len(SENTENCE) / SAMPLE_RATE)


def marked(*arrivals: int) -> ChunkMarks:
    """Chunks of 100 samples, in the order of their audio; the numbers are their order of arrival."""
    marks = ChunkMarks()
    for place, arrival in enumerate(arrivals, start=1):
        marks.add(ChunkMark(100 * place, arrival))
    return marks


def test_the_chunk_that_holds_the_sample_is_the_oldest_needed() -> None:
    marks = marked(1, 2, 3)
    assert marks.oldest(150) == ChunkMark(200, 2)
    assert marks.oldest(300) is None


def test_forgotten_chunks_are_needed_no_more() -> None:
    marks = marked(1, 2, 3)
    marks.forget(200)
    assert marks.oldest(0) == ChunkMark(300, 3)
    marks.clear()
    assert marks.oldest(0) is None


@given(st.permutations(range(6)), st.integers(0, 600))
def test_no_chunk_that_is_needed_arrived_before_the_oldest(arrivals: list[int], since: int) -> None:
    needed = [arrival for place, arrival in enumerate(arrivals, start=1) if 100 * place > since]
    found = marked(*arrivals).oldest(since)
    assert (found and found.arrival) == (min(needed) if needed else None)
