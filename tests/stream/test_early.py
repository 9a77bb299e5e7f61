"""Early utterances are heard beside the work: each utterance still has one transcript, one flag and one case."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from msgspec import structs

from agents.broker.kafka_records import partition_of
from agents.loop.early_reader import STALE_SECONDS, EarlyReader
from pipeline.base.metrics import Metrics
from pipeline.contract.cloud_events import decode_event
from pipeline.contract.messages import SAMPLE_RATE, AudioChunk, EarlyUtterance, Flag, Message, Transcript, Utterance
from pipeline.contract.topology import AUDIO, DELIVER, EARLY, FLAGS, TRANSCRIPTS, UTTERANCES, Stage
from pipeline.review.cases.case_values import CaseFile, Filters
from pipeline.review.evidence.lookback import open_lookback
from pipeline.review.review_store import open_store
from pipeline.runner.local import LocalRunner
from pipeline.settings import Audio, Settings
from pipeline.speech.audio.encode import encode_flac
from pipeline.speech.audio.resample import Samples
from tests.builders import utterance
from tests.pipeline.speech.asr.parts import speech
from tests.pipeline.speech.audio.sound import chunks
from tests.speech import threat, unbroken
from tests.stream.conftest import ASR
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


HEAD = 38
"""Pieces of 0.1 s that hold the threat, and 3 s of speech."""


def monologue(*spoken: Samples, speaker: str) -> list[AudioChunk]:
    """Speech in one go, in pieces of 0.1 s. The first HEAD ones end now."""
    said: Samples = np.concatenate([np.zeros(SAMPLE_RATE // 4, np.float32), unbroken(*spoken)])
    pieces = [SAMPLE_RATE // 10] * (said.size * 10 // SAMPLE_RATE)
    return chunks(said, pieces, "lobby", speaker, time.time() - HEAD / 10)


def patient(settings: Settings) -> Settings:
    """The settings for a speaker who waits until a test has seen the flag of the first words."""
    return settings.model_copy(update={"audio": Audio(idle_seconds=60)})


def stored(settings: Settings, speaker: str) -> list[CaseFile]:
    with closing(open_store(settings)) as store:
        return [store.case(case.id) for case in store.cases(Filters(speaker=speaker))]


def check_one_flag(settings: Settings, speaker: str, whole: Flag) -> None:
    """One case has one flag, that of the whole utterance, and a clip of all its words."""
    (file,) = stored(settings, speaker)
    assert file.flags == (whole,)
    assert file.case.label == "violence"
    (clip,) = file.evidence
    assert clip.seconds >= whole.end - whole.start - 0.01


@pytest.mark.weights
@pytest.mark.timeout(400)
async def test_a_threat_is_flagged_while_the_person_speaks_on_one_machine(tmp_path: Path) -> None:
    settings = patient(Settings(data_dir=tmp_path, asr=ASR))
    flags: list[Flag] = []
    arrived = asyncio.Event()

    def tap(stage: Stage, batch: Sequence[Message], outputs: Sequence[object]) -> None:
        flags.extend(each for each in batch if isinstance(each, Flag) and stage is DELIVER)
        if any(each.early for each in flags):
            arrived.set()

    def early(speaker: str) -> list[Flag]:
        return [flag for flag in flags if flag.early and flag.speaker == speaker]

    async with LocalRunner(settings, Metrics(), tap, lookback=open_lookback(settings)) as runner:
        for speaker in ("ann", "ben", "cleo", "dan"):  # a busy machine leaves first words out
            said = monologue(threat(), speech("sense-and-sensibility"), speaker=speaker)
            for chunk in said[:HEAD]:
                await runner.put(chunk)
            with suppress(TimeoutError):
                async with asyncio.timeout(30):
                    await arrived.wait()
            for chunk in said[HEAD:]:
                await runner.put(chunk)
            if early(speaker):
                break
        for chunk in monologue(speech("sense-and-sensibility"), speech("demo-abouttotry"), speaker="eve"):
            await runner.put(chunk)
    (first,) = early(speaker)
    (whole,) = [flag for flag in flags if flag.id == first.id and not flag.early]
    assert whole.end > first.end
    check_one_flag(settings, speaker, whole)
    assert not stored(settings, "eve")
    assert not early("eve")


@pytest.mark.weights
@pytest.mark.timeout(600)
def test_a_threat_is_flagged_while_the_person_speaks_on_kafka(settings: Settings, tmp_path: Path) -> None:
    settings = patient(settings)
    with ExitStack() as stack:
        roles = {
            role: stack.enter_context(worker(settings, tmp_path / role, "agents", "worker", role))
            for role in ("segment", "transcribe", "judge", "deliver")
        }

        def alive() -> None:
            for each in roles.values():
                each.running()

        def found(speaker: str, early: bool) -> list[Flag]:
            return [each for each in heard if (each.speaker, each.early) == (speaker, early)]

        def wait_for_flags(enough: Callable[[], bool]) -> None:
            def read(records: Sequence[Any]) -> bool:
                heard[:] = [decode_event(Flag, each.value, each.headers) for each in records]
                return enough()

            wait_for(settings, FLAGS, read, alive)

        def flagged_early(speaker: str) -> bool:
            over = time.monotonic() + 30
            wait_for_flags(lambda: found(speaker, True) != [] or time.monotonic() > over)
            return found(speaker, True) != []

        heard: list[Flag] = []
        put(settings, AUDIO, monologue(speech("tt-weasels"), speaker="first"))
        wait_for_flags(lambda: found("first", False) != [])  # now the workers are up, so the next speech is live
        for speaker in ("ann", "ben", "cleo", "dan"):  # a busy machine leaves first words out
            said = monologue(threat(), speech("sense-and-sensibility"), speaker=speaker)
            put(settings, AUDIO, said[:HEAD])
            if flagged_early(speaker):
                break
        wait_until(lambda: stored(settings, speaker) != [], alive)
        for role in ("judge", "deliver"):
            roles[role].kill()
            roles[role].start()
        harmless = monologue(speech("sense-and-sensibility"), speech("demo-abouttotry"), speaker="eve")
        late = monologue(speech("sense-and-sensibility"), threat(), speaker="zoe")
        put(settings, AUDIO, [*said[HEAD:], *harmless, *late])
        wait_for_flags(lambda: all(found(each, False) for each in (speaker, "eve", "zoe")))
        (first, *_), (whole, *_) = found(speaker, True), found(speaker, False)  # the new judge flags more words again
        assert first.id == whole.id
        again = [first, whole, first]
        put(settings, FLAGS, [*again, structs.replace(whole, id="last", transcript="last", speaker="last")])
        wait_until(lambda: stored(settings, "last") != [], alive)
        wait_until(lambda: stored(settings, speaker)[0].covered, alive)  # the clip follows the flags
        check_one_flag(settings, speaker, structs.replace(whole, address=stored(settings, speaker)[0].flags[0].address))
        wait_until(lambda: stored(settings, "zoe") != [], alive)
        assert [len(file.flags) for file in stored(settings, "zoe")] == [1]
        assert not stored(settings, "eve")
        assert not found("eve", True)
