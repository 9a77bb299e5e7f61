"""The loop on a real broker with bad records, faults of a stage, and kills.

It loses nothing and accounts for every record.
"""

import itertools
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.broker.kafka_clients import MAX_MESSAGE_BYTES
from agents.loop.stage_loop import EXIT_UNFINISHED
from pipeline.contract.cloud_events import Event, decode_event, encode_event
from pipeline.contract.messages import Flag, Message
from pipeline.contract.topology import DEAD_LETTERS, FLAGS, JUDGE, TRANSCRIPTS
from pipeline.settings import Settings
from tests.builders import transcript
from tests.stream.kafka_io import committed, headers_of, put, wait_for, wait_for_members
from tests.stream.processes import worker

pytestmark = pytest.mark.broker

FAULTY = "tests.stream.faulty"
ENDS = {0, -signal.SIGTERM, EXIT_UNFINISHED}
"""Exit codes after a stop: the signal during the start, or unfinished when Kafka's client hangs."""


def without_headers(number: int) -> Event:
    return Event(b"lobby", encode_event(transcript("fine", number), "test").value, [])


def of_version(version: str, number: int) -> Event:
    event = encode_event(transcript("fine", number), "test")
    headers = [(k, version.encode() if k == "ce_type" else v) for k, v in event.headers]
    return Event(event.key, event.value, headers)


@pytest.mark.scenario
def test_a_fault_costs_only_the_faulty_record(settings: Settings, tmp_path: Path) -> None:
    records: list[Message | Event] = [
        transcript("fine", 0),
        without_headers(1),
        of_version("voxwarden.transcript.v99", 2),
        Event(b"lobby", b"{", encode_event(transcript("fine", 3), "test").headers),
        transcript("reject", 4),
        transcript("outage", 5),
        transcript("huge", 6),
        transcript("crash", 7),
        transcript("fine", 8),
    ]
    written = put(settings, TRANSCRIPTS, records)
    with worker(settings, tmp_path / "log", FAULTY) as process:
        letters = wait_for(settings, DEAD_LETTERS, lambda found: len(origins(found)) >= 5, process.supervise)
        flags = wait_for(settings, FLAGS, at_least(4), process.supervise)
        code = process.stop()

    assert process.exits == []
    assert code == 0
    assert ids(flags) == {"flag-0", "flag-5", "flag-7", "flag-8"}
    assert origins(letters) == {str(written[n].offset) for n in (1, 2, 3, 4)} | {None}
    by_origin = {headers_of(letter).get("voxwarden-offset"): letter for letter in letters}
    unread, rejected = by_origin[str(written[1].offset)], by_origin[str(written[4].offset)]
    assert unread.value == records[1].value if isinstance(records[1], Event) else False
    assert headers_of(unread)["voxwarden-topic"] == settings.kafka.prefix + TRANSCRIPTS.name
    assert headers_of(unread)["voxwarden-partition"] == str(written[1].partition)
    assert "no ce_type header" in headers_of(unread)["voxwarden-error"]
    assert headers_of(rejected)["voxwarden-error"] == "Not to be judged"
    assert len(decode_event(Flag, by_origin[None].value, by_origin[None].headers).text) > MAX_MESSAGE_BYTES
    assert sum(committed(settings, JUDGE).values()) == len(records)


@pytest.mark.scenario
def test_kills_lose_nothing(settings: Settings, tmp_path: Path) -> None:
    """Workers of two partitions get SIGKILL or SIGTERM repeatedly.

    Each flag arrives, and repeated flags have the same id.
    """
    count = 200
    put(settings, TRANSCRIPTS, [transcript("slow", n, room=f"room-{n % 7}") for n in range(count)])
    with worker(settings, tmp_path / "log", FAULTY) as process:
        for milestone, how in ((30, signal.SIGKILL), (100, signal.SIGTERM)):
            wait_for(settings, FLAGS, at_least(milestone), process.running)
            assert process.stop(how) in {0, -signal.SIGKILL}
            process.start()
        flags = wait_for(settings, FLAGS, at_least(count), process.running)
        assert process.stop() == 0
    assert ids(flags) == {f"flag-{n}" for n in range(count)}
    assert sum(committed(settings, JUDGE).values()) == count


def test_workers_that_come_and_go_lose_nothing(settings: Settings, tmp_path: Path) -> None:
    """Records wait and arrive during each rebalance."""
    sent = itertools.count()

    def send(count: int) -> None:
        numbers = itertools.islice(sent, count)
        put(settings, TRANSCRIPTS, [transcript("slow", n, room=f"room-{n % 7}") for n in numbers])

    with worker(settings, tmp_path / "first", FAULTY) as first, worker(settings, tmp_path / "second", FAULTY) as second:
        for milestone, leaves in ((40, first), (140, second), (240, first)):
            send(100)
            wait_for(settings, FLAGS, at_least(milestone), second.running)
            assert leaves.stop() in ENDS
            send(20)
            leaves.start()
        wait_for(settings, FLAGS, at_least(360), second.running)
        assert {first.stop(), second.stop()} <= ENDS


def test_a_worker_that_stands_still_before_its_first_commit_loses_nothing(settings: Settings, tmp_path: Path) -> None:
    """The group removes the worker, records arrive, and the worker continues with them while it joins again."""
    count = 2_000
    with worker(settings, tmp_path / "log", FAULTY) as process:
        wait_for_members(settings, JUDGE, 1)
        os.kill(process.pid, signal.SIGSTOP)
        put(settings, TRANSCRIPTS, [transcript("fine", n, room=f"room-{n % 7}") for n in range(count)])
        wait_for_members(settings, JUDGE, 0)
        os.kill(process.pid, signal.SIGCONT)
        flags = wait_for(settings, FLAGS, at_least(count), process.running)
        assert process.stop() in ENDS
    assert ids(flags) == {f"flag-{n}" for n in range(count)}


def at_least(count: int) -> Callable[[list[Any]], bool]:
    return lambda records: len(ids(records)) >= count


def ids(records: list[Any]) -> set[str]:
    return {headers_of(record)["ce_id"] for record in records}


def origins(records: list[Any]) -> set[str | None]:
    return {headers_of(record).get("voxwarden-offset") for record in records}
