"""Two judges release flags that need words and second ear, because both topics of a speaker are on the same judge.

If a judge stops between the two halves of a pair, this pair is lost, and nothing else.
"""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from zlib import crc32

import pytest

from agents.broker import kafka_topics
from agents.broker.kafka_clients import admin, topic_name
from agents.broker.kafka_records import partition_of
from agents.broker.kafka_topics import warn_unpaired
from agents.broker.policy_topic import follow_topic
from agents.deployment_checks import checks
from agents.loop.faust_app import group_of
from agents.machine_checks import examine
from pipeline.base.metrics import Metrics
from pipeline.contract.cloud_events import decode_event, record_key
from pipeline.contract.messages import Flag, Sound, Transcript
from pipeline.contract.topology import FLAGS, JUDGE, SOUNDS, TRANSCRIPTS
from pipeline.settings import JudgeSettings, Settings
from tests.builders import NOON, sound, transcript
from tests.stream.conftest import settings_of
from tests.stream.kafka_io import grow, put, wait_for, wait_for_members
from tests.stream.processes import Process, environment

pytestmark = pytest.mark.broker

PARTITIONS = 4
ROOMS = [f"room-{number}" for number in range(6)]
SPEAKERS = ("ann", "ben")
THREAT = "I know where you live and I'm going to kill you."
POLICY = """
name: both
every: {enabled: false}
labels: {violence: {enabled: true, review: 0.8, sources: both}}
ear: {every: {review: 0.6}}
"""

Half = Transcript | Sound


def words(at: int) -> list[Transcript]:
    """Each speaker says a threat, at a time in seconds."""
    return [
        transcript(THREAT, NOON + at, room=room, speaker=speaker, id=name, utterance=name)
        for room in ROOMS
        for speaker in SPEAKERS
        for name in [f"{at} words {room} {speaker}"]
    ]


def shouts(at: int) -> list[Sound]:
    return [
        sound(
            f"{at} ear {room} {speaker}", at - 1, at + 3, kind="ear", label="violence", reference="",
            room=room, speaker=speaker, score=0.9,
        )
        for room in ROOMS
        for speaker in SPEAKERS
    ]  # fmt: skip


def moment(at: int) -> list[Half]:
    """Words and shouts of all speakers."""
    return [*words(at), *shouts(at)]


def write(settings: Settings, halves: Sequence[Half]) -> None:
    """Write the messages in any order."""
    for half in sorted(halves, key=lambda half: crc32(half.id.encode())):
        put(settings, TRANSCRIPTS if isinstance(half, Transcript) else SOUNDS, [half])


@pytest.fixture
def chosen(bootstrap: str, tmp_path: Path) -> Settings:
    (tmp_path / "both.yaml").write_text(POLICY, "utf-8")
    made = settings_of(bootstrap, tmp_path / "data", PARTITIONS)
    kafka_topics.create(made.kafka)
    return made


@contextmanager
def judges(settings: Settings, folder: Path) -> Iterator[tuple[Process, Process]]:
    names = os.environ | environment(settings) | {"VOXWARDEN_JUDGE__POLICY": str(folder / "both.yaml")}
    command = [sys.executable, "-m", "agents", "worker", "judge"]
    one, other = (Process(command, names, folder / f"judge-{number}.log") for number in (1, 2))
    try:
        wait_for_members(settings, JUDGE, 2)
        yield one, other
    finally:
        one.close()
        other.close()


def assigned(settings: Settings) -> dict[str, dict[str, set[int]]]:
    """The partitions of each judge, by the id of the member and the topic."""
    group = group_of(settings, JUDGE)
    with admin(settings.kafka) as client:
        members = client.describe_groups([group])[group]["members"]
    return {
        member["member_id"]: {
            each["topic"]: {*each["partitions"]} for each in member["member_assignment"]["assigned_partitions"]
        }
        for member in members
    }


def flags(settings: Settings, count: int, *alive: Process) -> list[Flag]:
    """All flags without repeats, when there are as many."""

    def running() -> None:
        for process in alive:
            process.running()

    found = wait_for(settings, FLAGS, lambda records: len({flag.id for flag in told(records)}) >= count, running)
    return [*{flag.id: flag for flag in told(found)}.values()]


def told(records: Sequence[object]) -> list[Flag]:
    return [decode_event(Flag, record.value, record.headers) for record in records]  # type: ignore[attr-defined]


def ids(halves: Sequence[Half]) -> set[str]:
    return {half.id for half in halves}


def partition(half: Half) -> int:
    return partition_of(record_key(half, 1), range(PARTITIONS))


def first(found: Sequence[Flag]) -> list[str]:
    return sorted(flag.utterance for flag in found if flag.withheld)


def released(found: Sequence[Flag]) -> list[str]:
    return sorted(flag.utterance for flag in found if flag.released)


@pytest.mark.timeout(400)
def test_two_judges_release_each_pair_also_after_one_has_stopped(chosen: Settings, tmp_path: Path) -> None:
    before, split, after = moment(0), moment(100), moment(200)
    with judges(chosen, tmp_path) as (one, other):
        write(chosen, before)
        found = flags(chosen, 2 * len(before), one, other)
        assert first(found) == released(found) == sorted(ids(before))

        write(chosen, words(100))
        flags(chosen, 2 * len(before) + len(words(100)), one, other)
        owned = assigned(chosen)
        assert all(len({frozenset(numbers) for numbers in each.values()}) == 1 for each in owned.values())
        assert one.stop(signal.SIGTERM) == 0
        wait_for_members(chosen, JUDGE, 1)
        [survivor] = assigned(chosen)
        write(chosen, [*shouts(100), *after])
        stayed = [each for each in split if partition(each) in owned[survivor][topic_name(SOUNDS, chosen.kafka)]]
        found = flags(chosen, 2 * (len(before) + len(after)) + len(split) + len(stayed), other)
    assert 0 < len(stayed) < len(split)
    assert first(found) == sorted(ids([*before, *split, *after]))
    assert released(found) == sorted(ids([*before, *stayed, *after]))


def test_different_numbers_of_partitions_are_named_by_doctor_and_judge(
    chosen: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = chosen.model_copy(update={"judge": JudgeSettings(policy=str(tmp_path / "both.yaml"))})
    check = [each for each in checks(settings, (), ()) if each.what == "words with second ear"]
    [good] = examine(settings, check)
    assert (good.state, good.detail) == ("ok", "violence: each of the two topics has 4 partitions")
    sounds = topic_name(SOUNDS, settings.kafka)
    grow(settings, [sounds], PARTITIONS + 2)
    [bad] = examine(settings, check)
    assert bad.state == "fault"
    assert f"voice.transcripts has 4 and {sounds} has 6" in bad.detail
    assert f"--topic {topic_name(TRANSCRIPTS, settings.kafka)} --partitions 6" in bad.detail
    with closing(follow_topic(settings, Metrics())) as rules:
        warn_unpaired(settings.kafka, rules.now())
    assert caplog.messages[-1] == bad.detail
    [files] = examine(chosen, check)
    assert (files.state, files.detail) == ("ok", "no label needs both")
