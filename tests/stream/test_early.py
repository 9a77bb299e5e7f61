"""On Kafka, transcribe hears early utterances beside its work: each utterance still has one transcript."""

import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx
import numpy as np
import pytest

from agents.broker.kafka_records import partition_of
from agents.loop.early_reader import STALE_SECONDS, EarlyReader
from pipeline.contract.cloud_events import decode_event
from pipeline.contract.messages import SAMPLE_RATE, AudioChunk, EarlyUtterance, Message, Transcript, Utterance
from pipeline.contract.topology import AUDIO, EARLY, TRANSCRIPTS, UTTERANCES
from pipeline.settings import Settings
from pipeline.speech.audio.encode import encode_flac
from pipeline.speech.audio.resample import Samples
from tests.builders import utterance
from tests.pipeline.speech.asr.parts import speech
from tests.pipeline.speech.audio.sound import chunks
from tests.stream.kafka_io import put, wait_for, wait_until
from tests.stream.processes import Worker, worker

pytestmark = pytest.mark.broker

CLIP = speech("tt-weasels")
ROOMS = {
    number: next(name for name in "abcdefgh" if partition_of(name.encode(), [0, 1]) == number) for number in (0, 1)
}
"""A room on each partition."""


def early(name: str, room: str) -> EarlyUtterance:
    return EarlyUtterance(room=room, speaker="ana", start=0.0, end=1.0, id=name, data=b"flac")


class Given:
    """Remembers the ids of early utterances."""

    def __init__(self) -> None:
        self.ids: list[str] = []

    def __call__(self, messages: Sequence[Message]) -> None:
        self.ids += [message.id for message in messages if isinstance(message, EarlyUtterance)]


def looked(reader: EarlyReader, enough: Callable[[], bool]) -> None:
    def done() -> bool:
        reader.look()
        return enough()

    wait_until(done, lambda: None)


def test_a_reader_gives_what_comes_from_now_on_on_the_partitions_of_its_worker(settings: Settings) -> None:
    given = Given()
    reader = EarlyReader(EARLY, settings.kafka, given)
    put(settings, EARLY, [early("old", ROOMS[0])])
    reader.assign([0])
    reader.look()
    put(settings, EARLY, [early("theirs", ROOMS[1]), early("mine", ROOMS[0])])
    looked(reader, lambda: len(given.ids) > 0)
    assert given.ids == ["mine"]
    reader.assign([0, 1, 7])  # voice.early may have fewer partitions than voice.utterances
    reader.look()
    put(settings, EARLY, [early("left", ROOMS[1]), early("right", ROOMS[0])])
    looked(reader, lambda: len(given.ids) > 2)
    assert sorted(given.ids[1:]) == ["left", "right"]
    reader.assign([])
    reader.look()
    reader.close()


def test_a_record_whose_pause_is_over_is_left_out(settings: Settings) -> None:
    given, late = Given(), [0.0]
    reader = EarlyReader(EARLY, settings.kafka, given, lambda: time.time() + late[0])
    reader.assign([0])
    reader.look()
    late[0] = 10 * STALE_SECONDS
    put(settings, EARLY, [early("stale", ROOMS[0])])
    time.sleep(0.2)
    for _ in range(5):
        reader.look()
    late[0] = -60.0
    put(settings, EARLY, [early("fresh", ROOMS[0])])
    looked(reader, lambda: len(given.ids) > 0)
    reader.close()
    assert given.ids == ["fresh"]


def figure(process: Worker, name: str) -> float:
    """A metric of a worker, with its label as on the page of metrics."""
    (url,) = re.findall(r"metrics at (\S+)", process.log)[-1:]
    found = re.findall(rf"^{re.escape(name)} (\S+)$", httpx.get(url, trust_env=False, timeout=30).text, re.MULTILINE)
    return float(found[0]) if found else 0.0


def talk(at: float, speaker: str) -> list[AudioChunk]:
    """A sentence that ends now, and a pause of a second, in pieces of 0.1 s."""
    said: Samples = np.concatenate([CLIP, np.zeros(SAMPLE_RATE, np.float32)])
    pieces = chunks(said, [SAMPLE_RATE // 10] * (said.size * 10 // SAMPLE_RATE - 1), "lobby", speaker, at - 3.0)
    return pieces[:-1]


def hear(settings: Settings, speaker: str, alive: Callable[[], None]) -> Utterance:
    """Send speech, and return its utterance."""
    put(settings, AUDIO, talk(time.time(), speaker))
    found: list[Utterance] = []

    def enough(records: Sequence[object]) -> bool:
        messages = [decode_event(Utterance, each.value, each.headers) for each in records]  # type: ignore[attr-defined]
        found[:] = [each for each in messages if each.speaker == speaker]
        return bool(found)

    wait_for(settings, UTTERANCES, enough, alive)
    return found[0]


def test_segment_writes_speech_early_with_the_id_and_the_audio_of_its_utterance(
    settings: Settings, tmp_path: Path
) -> None:
    with worker(settings, tmp_path / "log", "agents", "worker", "segment") as segment:
        hear(settings, "first", segment.running)  # now the worker is up, so the next speech is live
        cut = hear(settings, "second", segment.running)
    records = wait_for(settings, EARLY, lambda found: len(found) > 0, lambda: None)
    offered = [decode_event(EarlyUtterance, each.value, each.headers) for each in records]
    (mine,) = [each for each in offered if each.speaker == "second"]
    assert (mine.id, mine.start, mine.end, mine.data) == (cut.id, cut.start, cut.end, cut.data)


def offer(settings: Settings, message: EarlyUtterance, transcribe: Worker) -> None:
    """Offer an early utterance until the worker has recognised it. It declines for some seconds after a backlog."""
    name = "voxwarden_recognised_seconds_total"
    before = figure(transcribe, name)
    again = 0.0

    def heard() -> bool:
        nonlocal again
        if time.monotonic() > again:
            put(settings, EARLY, [message])
            again = time.monotonic() + 5
        return figure(transcribe, name) > before

    wait_until(heard, transcribe.running)


@pytest.mark.weights
@pytest.mark.timeout(400)
def test_a_worker_uses_early_results_once_and_a_restart_forgets_them(settings: Settings, tmp_path: Path) -> None:
    used = 'voxwarden_early_utterances_total{result="used"}'
    data = encode_flac(CLIP)
    said = [utterance(f"u{n}", 10.0 * n, 10.0 * n + 2.95, room="lobby", data=data) for n in range(3)]
    offers = [EarlyUtterance(room="lobby", speaker="ann", start=u.start, end=u.end, id=u.id, data=data) for u in said]

    def transcribed(count: int) -> Counter[str]:
        records = wait_for(settings, TRANSCRIPTS, lambda found: len(found) >= count, transcribe.running)
        return Counter(decode_event(Transcript, each.value, each.headers).utterance for each in records)

    with worker(settings, tmp_path / "log", "agents", "-v", "worker", "transcribe") as transcribe:
        put(settings, UTTERANCES, said[:1])
        transcribed(1)
        offer(settings, offers[1], transcribe)
        put(settings, UTTERANCES, said[1:2])
        transcribed(2)
        assert figure(transcribe, used) == 1
        offer(settings, offers[2], transcribe)
        transcribe.kill()
        transcribe.start()
        put(settings, UTTERANCES, said[2:])
        assert set(transcribed(3)) == {each.id for each in said}
        assert figure(transcribe, used) == 0
