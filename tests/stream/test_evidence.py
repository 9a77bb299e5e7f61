"""Audio is read back from Kafka by its address, with the speaker's earlier utterances."""

import time
from typing import Any

import pytest
from msgspec import structs

from agents.broker import audio_log
from agents.broker.audio_log import KafkaLog
from pipeline.base.errors import DependencyError
from pipeline.contract.messages import EarlyUtterance, Utterance, origin
from pipeline.contract.topology import EARLY, UTTERANCES
from pipeline.settings import Kafka, Settings
from tests.builders import utterance
from tests.ports import free_port
from tests.stream.kafka_io import put

pytestmark = pytest.mark.broker


def spoken(number: int, room: str = "lobby", speaker: str = "ann") -> Utterance:
    start, audio = 100.0 + 10 * number, bytes([number]) * 100
    return utterance(f"{speaker}-{number}", start, start + 4, room=room, speaker=speaker, data=audio)


def write(settings: Settings, *utterances: Utterance) -> list[str]:
    """Write utterances and return their addresses."""
    written = put(settings, UTTERANCES, utterances)
    return [f"{each.topic}/{each.partition}/{each.offset}" for each in written]


def test_an_utterance_is_read_back_with_its_address(settings: Settings) -> None:
    said = [spoken(number, room=f"room-{number}") for number in range(5)]
    addresses = write(settings, *said)
    log = KafkaLog(settings.kafka)
    for expected, address in zip(said, addresses, strict=True):
        assert log.get(address) == structs.replace(expected, address=address)
    log.close()


def test_speech_so_far_is_read_back_as_an_utterance(settings: Settings) -> None:
    said = spoken(1)
    speech = EarlyUtterance(**origin(said), id=said.id, end=said.end, so_far=True, data=said.data)
    [written] = put(settings, EARLY, [speech])
    address = f"{written.topic}/{written.partition}/{written.offset}"
    log = KafkaLog(settings.kafka)
    assert log.get(address) == structs.replace(said, address=address)
    assert log.before("lobby", "ann", said.start, 17.0, address) == []
    log.close()


def test_before_gives_only_the_same_speaker_in_order_and_within_the_time(settings: Settings) -> None:
    said = [
        spoken(0),
        spoken(1),
        spoken(1, speaker="bob"),
        spoken(2, room="attic"),
        spoken(2),
        spoken(3),
    ]
    addresses = write(settings, *said)
    log = KafkaLog(settings.kafka)
    found = log.before("lobby", "ann", start=130.0, seconds=17.0, address=addresses[-1])
    assert [each.id for each in found] == ["ann-1", "ann-2"]
    assert [each.address for each in found] == [addresses[1], addresses[4]]
    assert log.before("lobby", "ann", start=130.0, seconds=5.0, address=addresses[-1]) == []
    log.close()


@pytest.mark.parametrize("room", [10**9, 1_000], ids=["all kept", "most forgotten"])
def test_the_cache_changes_no_result(settings: Settings, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    monkeypatch.setattr(audio_log, "CACHE_BYTES", room)
    monkeypatch.setattr(audio_log, "SEARCH_RECORDS", 8)
    said = [spoken(number, room=f"room-{number % 3}", speaker=f"s{number % 2}") for number in range(60)]
    addresses = write(settings, *said)
    log = KafkaLog(settings.kafka)
    for number in [0, 1, 2, 9, 8, 30, 31, 33, 5, 59, 58, 59]:
        one, address = said[number], addresses[number]
        assert log.get(address) == structs.replace(one, address=address)
        new = KafkaLog(settings.kafka)
        asked = (one.room, one.speaker, one.start, 400.0, address)
        assert log.before(*asked) == new.before(*asked)
        new.close()
    log.close()


def test_latest_gives_the_utterances_of_one_or_all_speakers_in_a_room(settings: Settings) -> None:
    now = time.time()

    def said(name: str, ago: float, **changes: str) -> Utterance:
        return utterance(name, now - ago, now - ago + 4, **{"room": "lobby"} | changes)

    known = [said("old", 90), said("one", 30), said("bob", 20, speaker="bob"), said("two", 10)]
    write(settings, *known, *(said(f"other-{n}", 20, room=f"room-{n}") for n in range(20)))
    log = KafkaLog(settings.kafka)

    def latest(speaker: str | None, end: float, room: str = "lobby") -> list[str]:
        return [each.id for part in log.latest(room, speaker, end, 60) for each in part]

    assert latest("ann", now) == ["one", "two"]
    assert latest(None, now) == ["one", "bob", "two"]
    assert latest(None, now - 15) == ["one", "bob"]
    assert latest(None, now, room="nobody was here") == []
    log.close()


def test_latest_gives_the_speech_of_all_shards_and_of_the_time_before_the_room_had_shards(settings: Settings) -> None:
    now = time.time()
    speakers = [f"speaker-{number}" for number in range(12)]

    def said(name: str, speaker: str, room: str = "lobby") -> Utterance:
        return utterance(name, now - 20, now - 16, room=room, speaker=speaker)

    sharded = settings.model_copy(update={"kafka": settings.kafka.model_copy(update={"room_shards": 8})})
    before = write(settings, *(said(f"before-{speaker}", speaker) for speaker in speakers))
    after = write(sharded, *(said(speaker, speaker) for speaker in speakers), said("other", "ann", room="lobby#1"))
    assert {address.split("/")[1] for address in before} < {address.split("/")[1] for address in after}
    log = KafkaLog(sharded.kafka)

    def latest(speaker: str | None) -> set[str]:
        return {each.id for part in log.latest("lobby", speaker, now, 60) for each in part}

    assert latest(None) == {*speakers, *(f"before-{speaker}" for speaker in speakers)}
    assert latest("speaker-5") == {"speaker-5", "before-speaker-5"}
    log.close()


def test_latest_continues_although_other_records_were_read_in_between(settings: Settings) -> None:
    now = time.time()
    said = [structs.replace(spoken(n % 200), start=now - 30, end=now - 26) for n in range(1_200)]
    addresses = write(settings, *said, spoken(0, room="attic"))
    log = KafkaLog(settings.kafka)
    found = []
    for part in log.latest("lobby", None, now, 60):
        found += part
        assert log.get(addresses[-1]) is not None
    assert [each.address for each in found] == addresses[:-1]
    log.close()


def test_latest_keeps_no_audio_of_other_rooms(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A partition holds hours of audio of all its rooms."""
    now = time.time()
    said = [structs.replace(spoken(n), room=f"room-{n % 5}", start=now - 30, end=now - 26) for n in range(20)]
    write(settings, *said)
    looked_into: list[str] = []

    def noting(record: Any, kind: type[Utterance]) -> Utterance | None:
        looked_into.append(record.key.decode())
        return decoded(record, kind)

    decoded = audio_log._decoded
    monkeypatch.setattr(audio_log, "_decoded", noting)
    log = KafkaLog(settings.kafka)
    assert sum(map(len, log.latest("room-3", None, now, 60))) == 4
    assert looked_into == ["room-3"] * 4
    log.close()


@pytest.mark.parametrize("address", ["nonsense", "a/b/c", "lookback/1700000000000-00000000/5", "none/0/0", "//"])
def test_an_address_of_another_log_gives_nothing(settings: Settings, address: str) -> None:
    log = KafkaLog(settings.kafka)
    assert log.get(address) is None
    assert log.before("lobby", "ann", 130.0, 10.0, address) == []
    log.close()


def test_a_missing_offset_gives_nothing(settings: Settings) -> None:
    (address,) = write(settings, spoken(0))
    log = KafkaLog(settings.kafka)
    assert log.get(address.rpartition("/")[0] + "/99") is None
    log.close()


def test_a_broker_that_does_not_answer_is_a_dependency_error() -> None:
    away = Kafka(bootstrap=f"127.0.0.1:{free_port()}", connect_seconds=0.5)
    with pytest.raises(DependencyError, match=away.bootstrap):
        KafkaLog(away).get("voice.utterances/0/0")
