"""Keys of records: with several shards, the speakers of one room have several keys."""

from zlib import crc32

import pytest

from pipeline.contract.messages import AudioChunk, EarlyUtterance, Message
from pipeline.contract.shards import keys_of, record_key
from pipeline.contract.speech_status import status_of
from tests.builders import flag, transcript, utterance

SPEAKERS = [f"speaker-{number}" for number in range(200)]


def chunk(speaker: str, room: str = "lobby") -> AudioChunk:
    return AudioChunk(room=room, speaker=speaker, start=0.0, sequence=0)


@pytest.mark.parametrize("message", [chunk("ann"), utterance(room="lobby"), transcript(), flag(room="lobby")])
def test_with_one_shard_the_room_is_the_key(message: Message) -> None:
    assert record_key(message, 1) == b"lobby"


def test_audio_utterances_and_transcripts_of_a_speaker_share_a_key() -> None:
    for speaker in SPEAKERS:
        early = EarlyUtterance(room="lobby", speaker=speaker, start=0.0, id="1", end=1.0)
        messages = (chunk(speaker), utterance(room="lobby", speaker=speaker), early, transcript(speaker=speaker))
        assert len({record_key(message, 8) for message in messages}) == 1


def test_flags_and_statuses_keep_the_order_of_the_room() -> None:
    statuses = [status_of(utterance(room="lobby", speaker=speaker), "segmented") for speaker in SPEAKERS]
    assert {record_key(message, 8) for message in statuses} == {b"lobby"}
    assert {record_key(flag(room="lobby", speaker=speaker), 8) for speaker in SPEAKERS} == {b"lobby"}


def test_every_shard_has_speakers_and_a_key_of_its_own() -> None:
    assert len(keys_of("lobby", 8)) == 8
    assert {record_key(chunk(speaker), 8) for speaker in SPEAKERS} == set(keys_of("lobby", 8))


def test_the_key_is_the_one_of_the_contract() -> None:
    """Apps compute it: docs/contract.md."""
    number = crc32("安".encode()) % 8
    assert number
    assert record_key(chunk("安", "大厅"), 8) == f"大厅#{number}".encode()


def test_shards_of_rooms_with_similar_names_may_share_a_key_but_never_lose_a_room() -> None:
    assert keys_of("lobby#1", 1) == [b"lobby#1"] == keys_of("lobby", 2)[1:]
