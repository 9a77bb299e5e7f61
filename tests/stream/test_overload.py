"""A real worker meets a backlog.

It transcribes all of it if it can, else it skips by policy. Coverage reports the share.
"""

import json
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from agents.broker.kafka_clients import producer, topic_name
from pipeline.contract.cloud_events import decode_event, encode_event
from pipeline.contract.messages import Transcript
from pipeline.contract.topology import TRANSCRIBE, TRANSCRIPTS, UTTERANCES
from pipeline.settings import Settings
from pipeline.speech.audio.encode import encode_flac
from tests.builders import utterance
from tests.pipeline.speech.asr.parts import speech
from tests.stream.kafka_io import committed, wait_for
from tests.stream.processes import worker

pytestmark = [pytest.mark.broker, pytest.mark.weights]

AUDIO = encode_flac(speech("conf-invalid"))
IMPATIENT = {
    "enabled": True, "start_seconds": 0.001, "catch_up_seconds": 0.001,
    "room_types": [{"name": "game", "share": 0}],
}  # fmt: skip
"""Every backlog is too large, as soon as the worker's speed is known."""


def backlog(settings: Settings, count: int, first: int = 0) -> None:
    """Write utterances of two room types in turn that have waited for ten minutes."""
    at = time.time() - 600
    with closing(producer(settings.kafka)) as client:
        for number in range(first, first + count):
            kind = ("game", "kids")[number % 2]
            said = utterance(
                f"u{number}", at + number, at + number + 2, room=f"room-{number % 4}", room_type=kind, data=AUDIO
            )
            event = encode_event(said, "test")
            name = topic_name(UTTERANCES, settings.kafka)
            client.send(name, event.value, event.key, event.headers, timestamp_ms=round(1000 * said.end)).get(60)


def transcripts(settings: Settings, count: int, alive: Callable[[], None]) -> list[Transcript]:
    records = wait_for(settings, TRANSCRIPTS, lambda found: len(found) >= count, alive)
    return [decode_event(Transcript, record.value, record.headers) for record in records]


def command(overload: dict[str, object]) -> tuple[str, ...]:
    return ("agents", "--set", f"overload={json.dumps(overload)}", "worker", "transcribe")


def test_a_short_outage_skips_nothing(settings: Settings, tmp_path: Path) -> None:
    """With the shipped settings, 40 utterances have waited for ten minutes.

    That is more than the speed estimate needs.
    """
    backlog(settings, 40)
    with worker(settings, tmp_path / "log", *command({"enabled": True})) as process:
        for count in range(10, 41, 10):  # ten at a time, because the machine may be slow
            found = transcripts(settings, count, process.running)
        assert process.stop() == 0
    assert sorted(each.utterance for each in found) == sorted(f"u{number}" for number in range(40))
    assert [each for each in found if each.skipped] == []


def test_an_overload_is_skipped_by_policy_and_accounted_for(settings: Settings, tmp_path: Path) -> None:
    backlog(settings, count := 32)
    with worker(settings, tmp_path / "log", *command(IMPATIENT)) as process:
        for some in range(8, count + 1, 8):
            found = transcripts(settings, some, process.running)
        while not any(each.skipped for each in found) and count < 200:  # until speed and arrivals are known
            time.sleep(1)
            backlog(settings, 2, first=count)
            found = transcripts(settings, count := count + 2, process.running)
        backlog(settings, 12, first=count)
        found = transcripts(settings, count := count + 12, process.running)
        assert process.stop() == 0
    assert sorted(each.utterance for each in found) == sorted(f"u{number}" for number in range(count))
    last = [each for each in found if int(each.utterance.removeprefix("u")) >= count - 12]
    assert {each.room_type: each.skipped for each in last} == {"game": True, "kids": False}
    assert all(("conference" in each.text.lower()) != each.skipped for each in found)
    assert all(each.address for each in found), "skipped utterances keep the address of their audio"
    assert sum(committed(settings, TRANSCRIBE).values()) == count
    heard = Counter(each.room_type for each in found if not each.skipped)
    assert heard["kids"] == count // 2, "only games are skipped"
