"""One room on several partitions: its speakers are spread, workers share it, and a change of the setting loses nothing.

The segment workers and the broker are real.
"""

import asyncio
import re
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import Any

import httpx
import pytest

from agents.broker import kafka_topics
from agents.gateway.kafka_sink import KafkaSink
from pipeline.base.metrics import Metrics
from pipeline.contract.cloud_events import decode_event
from pipeline.contract.messages import AudioChunk, Utterance
from pipeline.contract.topology import AUDIO, SEGMENT, UTTERANCES
from pipeline.settings import ListenSettings, Settings
from pipeline.speech.audio import vad
from pipeline.speech.audio.recording_parts import chunks_of
from pipeline.speech.audio.segment_stage import Segment
from tests.broker import ROOT
from tests.speech import SpokenSpan, merged
from tests.stream.conftest import settings_of
from tests.stream.kafka_io import put, wait_for, wait_for_members
from tests.stream.processes import Worker, worker

pytestmark = pytest.mark.broker

PARTITIONS = 4
SPEAKERS = [f"speaker-{number}" for number in range(12)]
START = 1_700_000_000.0
CLIP = ROOT / "tests" / "data" / "tt-weasels.flac"
CUT_SECONDS = 0.25
"""What may be missing where two workers each hear a part of a word: a pad and a window of the voice detector."""


@pytest.fixture
def whole(bootstrap: str, tmp_path: Path) -> Settings:
    """Return settings with one shard a room."""
    made = settings_of(bootstrap, tmp_path, PARTITIONS)
    kafka_topics.create(made.kafka)
    return made


@pytest.fixture
def sharded(whole: Settings) -> Settings:
    """Return settings with several shards. Then no worker hears a whole room, so dead air is off."""
    kafka = whole.kafka.model_copy(update={"room_shards": 16})
    return whole.model_copy(update={"kafka": kafka, "listen": ListenSettings()})


def audio() -> list[AudioChunk]:
    """Return the same clip from each speaker of one room, in the order of time."""
    streams = [chunks_of(CLIP, "lobby", speaker, start=START) for speaker in SPEAKERS]
    return sorted(chain.from_iterable(streams), key=lambda chunk: chunk.start)


def speech_of(chunks: list[AudioChunk], settings: Settings) -> list[SpokenSpan]:
    """Return the speech in `chunks` as one process cuts it."""
    segment = Segment(settings.audio, Metrics(), vad.shared())
    found = [*segment.process(chunks), *segment.drain()]
    return merged([_span(each) for each in found if isinstance(each, Utterance)])


def _span(utterance: Utterance) -> SpokenSpan:
    return SpokenSpan(utterance.room, utterance.speaker, utterance.start, utterance.end)


def utterances(records: list[Any]) -> list[Utterance]:
    return [decode_event(Utterance, record.value, record.headers) for record in records]


def missing(speech: list[SpokenSpan], found: list[Utterance]) -> list[SpokenSpan]:
    """Return the speech that lacks more than CUT_SECONDS."""
    covered = merged([_span(each) for each in found], gap=CUT_SECONDS)
    return [
        span
        for span in speech
        if not any(
            each.voice == span.voice and each.start <= span.start + CUT_SECONDS and each.end >= span.end - CUT_SECONDS
            for each in covered
        )
    ]


def taken(segment: Worker) -> float:
    """Return how many records a worker has taken, from its metrics."""
    (url,) = re.findall(r"metrics at (\S+)", segment.log)[-1:]
    text = httpx.get(url, trust_env=False, timeout=10).text
    (figure,) = re.findall(r'^voxwarden_messages_total\{stage="segment"\} (\S+)', text, re.MULTILINE)
    return float(figure)


def test_the_gateway_spreads_the_speakers_of_a_room(sharded: Settings) -> None:
    async def write() -> None:
        async with KafkaSink(sharded.kafka) as sink:
            await asyncio.gather(*[await sink(chunk) for chunk in audio()])

    asyncio.run(write())
    records = wait_for(sharded, AUDIO, lambda found: len(found) == len(audio()), lambda: None)
    places = {(decode_event(AudioChunk, each.value, each.headers).speaker, each.partition) for each in records}
    assert len(places) == len(SPEAKERS), "a speaker is on more than one partition"
    assert {partition for _, partition in places} == set(range(PARTITIONS))


def test_two_workers_share_one_room(sharded: Settings, tmp_path: Path) -> None:
    speech = speech_of(audio(), sharded)
    with ExitStack() as stack:
        pair = [
            stack.enter_context(worker(sharded, tmp_path / f"{n}", "agents", "-v", "worker", "segment")) for n in "ab"
        ]
        wait_for_members(sharded, SEGMENT, 2)
        put(sharded, AUDIO, audio())

        def alive() -> None:
            for each in pair:
                each.running()

        found = wait_for(sharded, UTTERANCES, lambda found: not missing(speech, utterances(found)), alive)
        assert all(taken(each) > 0 for each in pair)
    assert len({each.id for each in utterances(found)}) == len(found)
    assert {each.partition for each in found} == set(range(PARTITIONS))


@pytest.mark.parametrize("back", [False, True], ids=["to more", "to one"])
def test_a_change_while_audio_waits_loses_no_speech(
    whole: Settings, sharded: Settings, tmp_path: Path, back: bool
) -> None:
    """The change comes in the middle of the speech of all speakers, and half of it waits for a worker."""
    before, after = (sharded, whole) if back else (whole, sharded)
    chunks = audio()
    speech = speech_of(chunks, whole)
    half = len(chunks) // 2
    put(before, AUDIO, chunks[:half])
    put(after, AUDIO, chunks[half:])
    for number in range(2):  # the second worker reads again what the first one did not commit
        with worker(after, tmp_path / str(number), "agents", "worker", "segment") as segment:
            wait_for(after, UTTERANCES, lambda found: len(found) > 0, segment.running)
            if number:
                wait_for(after, UTTERANCES, lambda found: not missing(speech, utterances(found)), segment.running)
