"""Records of any kind go through segment's whole loop. None ends the worker or costs another speaker's audio."""

import struct
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, cast

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from agents.loop.faust_app import create_faust_app
from agents.loop.holding_work import HoldingWork
from agents.loop.segmenter_lead_in import Earlier
from agents.loop.stage_loop import StageLoop
from pipeline.base.metrics import Metrics
from pipeline.contract.cloud_events import decode_event, encode_event
from pipeline.contract.messages import AudioChunk, Utterance
from pipeline.contract.topology import SEGMENT
from pipeline.settings import Audio, Settings
from pipeline.speech.audio import segment_stage as stage
from pipeline.speech.audio.segment_stage import Segment
from pipeline.speech.audio.vad import shared
from tests.pipeline.speech.audio.sound import clip, seconds
from tests.pipeline.strategies import messages

Headers = list[tuple[str, bytes | None]]


@dataclass
class Record:
    offset: int
    value: bytes | None
    headers: Headers
    key: bytes | None = b"r"
    topic: str = "voice.audio"
    partition: int = 0
    timestamp: float = 0.0
    generation_id: int = 1


@dataclass
class Broker:
    """Keeps the acknowledged records and the sent events."""

    acknowledged: list[int] = field(default_factory=list)
    sent: dict[str, list[tuple[bytes, Headers]]] = field(default_factory=dict)

    def ack(self, record: Record) -> None:
        self.acknowledged.append(record.offset)

    def _ensure_producer(self) -> "Broker":
        return self

    async def send(self, topic: str, value: bytes, key: bytes, headers: Headers) -> Any:
        del key
        self.sent.setdefault(topic, []).append((value, headers))

        async def done() -> None: ...

        return done()


def end(code: int) -> NoReturn:
    raise AssertionError(f"the worker ended with {code}")


async def carried(records: Sequence[Record], most: int = SEGMENT.batch) -> Broker:
    """Run segment's real loop on these records, in batches of at most `most`."""
    metrics, broker = Metrics(), Broker()
    app = create_faust_app(Settings(), SEGMENT, metrics)
    app.consumer = cast(Any, broker)

    async def producer() -> Broker:
        return broker

    app.maybe_start_producer = cast(Any, producer)
    work = HoldingWork(lambda: Segment(Audio(), metrics, shared()), lambda: 1, lambda _: Earlier())

    async def batches() -> AsyncIterator[list[Any]]:
        for first in range(0, len(records), most):
            yield list(records[first : first + most])

    runner = StageLoop(app, SEGMENT, work, Settings(), metrics, end=end)
    try:
        await runner.consume(batches())
        rest = [result for each in work.processors.values() for result in each.drain()]
        await runner._send(rest, [])
        runner._acknowledge([])
    finally:
        runner.close()
    return broker


def numbered(events: Sequence[tuple[bytes | None, Headers]]) -> list[Record]:
    return [Record(offset, value, headers) for offset, (value, headers) in enumerate(events)]


def event(chunk: AudioChunk) -> tuple[bytes, Headers]:
    made = encode_event(chunk, "test")
    return made.value, [*made.headers]


GOOD = [structs.replace(chunk, speaker="good") for chunk in seconds(clip("tt-weasels"))]
SPEECH = [event(chunk) for chunk in GOOD]

(SPEECH_ID,) = [each.id for each in Segment(Audio(), Metrics(), shared()).process(GOOD) if isinstance(each, Utterance)]


def said(broker: Broker) -> list[str]:
    """Return the ids of the good speaker's utterances."""
    found = [decode_event(Utterance, value, headers) for value, headers in broker.sent.get("voice.utterances", [])]
    return [each.id for each in found if each.speaker == "good"]


def wav(tag: int, bits: int, channels: int, rate: int, data: bytes, size: int | None = None) -> bytes:
    """Return a WAV file with this header, whether it is true or not."""
    size = len(data) if size is None else size
    width = channels * bits // 8
    head = struct.pack("<HHIIHH", tag, channels, rate, rate * width % 2**32, width % 2**16, bits)
    body = b"WAVEfmt " + struct.pack("<I", 16) + head + b"data" + struct.pack("<I", size) + data
    return b"RIFF" + struct.pack("<I", min(size + 36, 2**32 - 1)) + body


WAVS = st.builds(
    wav,
    st.sampled_from([1, 2, 3, 6, 7, 17, 0x55, 0xFFFE]),
    st.sampled_from([0, 4, 8, 12, 16, 24, 32, 64, 65]),
    st.sampled_from([0, 1, 2, 6, 32, 255, 256, 65_535]),
    st.sampled_from([0, 1, 7_999, 8_000, 44_100, 192_000, 768_000, 2**32 - 1]),
    st.binary(max_size=64).map(lambda data: data * 300),
    st.none() | st.sampled_from([0, 1, 2**31, 2**32 - 1]),
)
FILES = WAVS | st.binary(max_size=200) | st.sampled_from([b"fLaC", b"OggS", b"ID3", b"RIFF"]).map(lambda m: m * 20)
CHUNKS = messages(AudioChunk) | st.builds(
    lambda chunk, codec, data: structs.replace(chunk, codec=codec, data=data),
    messages(AudioChunk),
    st.sampled_from(["container", "opus", "opus_packets"]),
    FILES,
)
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["ce_type", "ce_speaker", "ce_start", "ce_sequence", "ce_samplerate", "ce_codec", "x"]),
        st.none() | st.binary(max_size=20) | st.sampled_from([b"1e999", b"nan", b"-1", b"9" * 30, b"true"]),
    ),
    max_size=4,
)
RECORDS = st.builds(lambda made, odd: (made[0], made[1] + odd), CHUNKS.map(event), HEADERS) | st.tuples(
    st.none() | st.binary(max_size=50), HEADERS
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(RECORDS, max_size=6), st.sampled_from([1, 3, SEGMENT.batch]))
async def test_no_record_of_any_kind_harms_the_others(odd: list[Any], most: int) -> None:
    between = [*SPEECH[:2], *odd, *SPEECH[2:]]
    broker = await carried(numbered(between), most)
    assert said(broker) == [SPEECH_ID]
    assert broker.acknowledged == list(range(len(between)))


async def test_a_wav_of_64_bit_integers_is_decoded() -> None:
    whole = (clip("tt-weasels").astype(np.float64) * 2**62).astype("<i8").tobytes()
    chunk = AudioChunk(room="r", speaker="good", start=0, sequence=0, codec="container", final=True)
    broker = await carried(numbered([event(structs.replace(chunk, data=wav(1, 64, 1, 16_000, whole)))]))
    assert len(said(broker)) == 1
    assert broker.acknowledged == [0]


async def test_a_decoding_bug_costs_the_chunk_and_an_encoding_bug_the_utterance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: Any) -> NoReturn:
        raise ZeroDivisionError

    bad = AudioChunk(room="r", speaker="bad", start=0, sequence=0, codec="container", data=b"x", final=True)
    monkeypatch.setattr("pipeline.speech.audio.stream_decoder.StreamDecoder._recording", broken)
    broker = await carried(numbered([*SPEECH[:2], event(bad), *SPEECH[2:]]))
    assert len(said(broker)) == 1
    assert len(broker.sent["voice.dead-letters"]) == 1

    monkeypatch.setattr(stage, "encode_flac", broken)
    broker = await carried(numbered(SPEECH))
    assert said(broker) == []
    ((value, headers),) = broker.sent["voice.dead-letters"]
    assert "ZeroDivisionError" in str(dict(headers)["voxwarden-error"])
    assert len(value) > 16_000, "the dead letter has the speech"
    assert broker.acknowledged == list(range(len(SPEECH)))


async def test_an_output_that_cannot_be_encoded_becomes_a_dead_letter() -> None:
    """A chunk dated at the end of the year 9999 is valid, but its speech ends after that year."""
    speech = structs.replace(seconds(clip("tt-weasels"))[0], speaker="late", start=253_402_300_799.5, final=True)
    broker = await carried(numbered([event(speech), *SPEECH]))
    assert len(said(broker)) == len(broker.sent["voice.utterances"]) == 1
    assert len(broker.sent["voice.dead-letters"]) == 1
    assert broker.acknowledged == list(range(1 + len(SPEECH)))


async def test_one_sender_of_garbage_cannot_halt_the_worker_and_leaves_one_dead_letter() -> None:
    """The sender sends 300 packets a second for 5 s that are not Opus."""
    junk = AudioChunk(room="r", speaker="bad", start=0, sequence=0, codec="opus", sample_rate=48_000, data=b"\xff" * 9)
    flood = [event(structs.replace(junk, sequence=n, start=n / 300)) for n in range(1_500)]
    broker = await carried(numbered([*flood[:700], *SPEECH, *flood[700:]]))
    assert len(said(broker)) == 1
    assert len(broker.sent["voice.dead-letters"]) == 1
    assert len(broker.acknowledged) == 1_500 + len(SPEECH)


async def test_a_release_that_sends_garbage_for_all_speakers_halts_the_worker() -> None:
    junk = AudioChunk(room="r", speaker="s", start=0, sequence=0, codec="opus", sample_rate=48_000, data=b"\xff" * 9)
    with pytest.raises(AssertionError, match="ended with 4"):
        await carried(
            numbered([event(structs.replace(junk, speaker=str(n % 20), sequence=n // 20)) for n in range(64)])
        )
