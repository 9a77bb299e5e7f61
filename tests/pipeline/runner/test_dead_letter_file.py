"""The local runner keeps dead letters complete on disk, up to a maximum size."""

import base64
import json
from pathlib import Path

import pytest
from msgspec import structs

from pipeline.base.errors import AudioError, BadMessage, ConfigError, InputError
from pipeline.base.private_files import sole_user
from pipeline.contract.cloud_events import decode_event
from pipeline.contract.messages import AudioChunk, Message
from pipeline.contract.stage import Rejected
from pipeline.review.evidence.lookback import open_lookback
from pipeline.review.evidence.segments import Finish
from pipeline.runner.dead_letter_file import DeadLetterFile, dead_letter_path, local_dead_letters
from pipeline.runner.dead_letter_store import MOST_REPLAYS, Letter, LetterFilter
from pipeline.runner.recovery import Recovery
from pipeline.settings import Settings
from tests.builders import sound, utterance

KEEP_SECONDS = 3_600.0
CHUNK = AudioChunk(room="茶馆", speaker="wei", start=12.5, sequence=3, codec="opus", data=b"\x00\xff")


def letters(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_a_letter_holds_the_complete_message(tmp_path: Path) -> None:
    path = tmp_path / "data" / "dead-letters.jsonl"
    DeadLetterFile(path, clock=lambda: 99.0).add("segment", Rejected(CHUNK, AudioError("No Opus packet", "Send one.")))
    (letter,) = letters(path)
    assert letter["stage"] == "segment"
    assert letter["at"] == 99.0
    assert letter["error"] == "No Opus packet. Send one."
    headers = letter["headers"]
    assert isinstance(headers, dict)
    value = base64.b64decode(str(letter["value"]))
    assert decode_event(AudioChunk, value, [(name, text.encode()) for name, text in headers.items()]) == CHUNK


def test_letters_are_appended(tmp_path: Path) -> None:
    path = tmp_path / "dead-letters.jsonl"
    for _ in range(3):
        DeadLetterFile(path).add("segment", Rejected(CHUNK, AudioError("No Opus packet")))
    assert len(letters(path)) == 3


def test_the_file_stops_growing_at_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "dead-letters.jsonl"
    box = DeadLetterFile(path, max_bytes=1_000)
    for _ in range(100):
        box.add("segment", Rejected(CHUNK, AudioError("No Opus packet")))
    assert 1_000 < path.stat().st_size < 2_000


def test_a_bad_message_gets_no_letter_if_its_sender_has_one(tmp_path: Path) -> None:
    path = tmp_path / "dead-letters.jsonl"
    for letter in (True, False, False):
        DeadLetterFile(path).add("segment", Rejected(CHUNK, AudioError("No Opus packet"), letter=letter))
    assert len(letters(path)) == 1


def test_a_message_that_cannot_be_encoded_leaves_only_its_error(tmp_path: Path) -> None:
    path = tmp_path / "dead-letters.jsonl"
    DeadLetterFile(path).add("segment", Rejected(structs.replace(CHUNK, start=-1.0), AudioError("No Opus packet")))
    (letter,) = letters(path)
    assert letter["error"] == "No Opus packet"


def test_letters_are_kept_as_long_as_on_kafka(tmp_path: Path) -> None:
    path = tmp_path / "dead-letters.jsonl"
    box = DeadLetterFile(path, clock=lambda: 0.0)
    box.add("segment", Rejected(CHUNK, AudioError("Old")))
    DeadLetterFile(path, KEEP_SECONDS, clock=lambda: KEEP_SECONDS - 1.0).add(
        "segment", Rejected(CHUNK, AudioError("New"))
    )
    assert [letter["error"] for letter in letters(path)] == ["Old", "New"]
    DeadLetterFile(path, KEEP_SECONDS, clock=lambda: KEEP_SECONDS + 1.0)
    assert [letter["error"] for letter in letters(path)] == ["New"]


class Machine:
    """The data folder of a runner that has ended."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(data_dir=folder)
        self.lookback = open_lookback(self.settings)
        self.box = local_dead_letters(self.settings)

    def dies(self, name: str = "one") -> str:
        """Add an utterance that transcribe cannot handle. Returns its address."""
        said = utterance(name, 1)
        address = self.lookback.put(said)
        self.dies_again(address)
        return address

    def dies_again(self, address: str) -> None:
        self.fails("transcribe", self.lookback.get(address), address)

    def fails(self, stage: str, message: Message | None, address: str) -> None:
        rejected = Rejected(message, BadMessage("No FLAC", "Send some."))
        DeadLetterFile(dead_letter_path(self.settings)).add(stage, rejected)
        self.lookback.finish([address], Finish.FAILED)

    def waiting(self) -> list[Letter]:
        return self.box.letters(LetterFilter())


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_letter_is_listed_with_its_content(machine: Machine) -> None:
    address = machine.dies()
    (letter,) = machine.waiting()
    assert (letter.origin, letter.stage, letter.reason) == (address, "transcribe", "No FLAC. Send some.")
    content = machine.box.content(letter)
    assert (content.value, content.headers["ce_type"]) == (b"flac", "voxwarden.utterance.v1")


def test_dropped_letters_are_listed_only_on_request(machine: Machine) -> None:
    machine.dies("one")
    machine.dies("two")
    one, two = machine.waiting()
    machine.box.drop([one])
    assert machine.waiting() == [two]
    assert [letter.handled for letter in machine.box.letters(LetterFilter(handled=True))] == ["dropped", None]


def test_a_replayed_utterance_is_unfinished_again(machine: Machine) -> None:
    address = machine.dies()
    assert machine.lookback.unfinished() == []
    assert machine.box.send_back(machine.waiting()) == (1, [])
    assert machine.lookback.unfinished() == [address]
    assert machine.waiting() == []


def test_a_replayed_sound_is_unfinished_again(machine: Machine) -> None:
    log = machine.lookback.sounds
    address = log.put(sound())
    machine.fails("deliver", log.get(address), address)
    assert log.unfinished() == []
    assert machine.box.send_back(machine.waiting()) == (1, [])
    assert log.unfinished() == [address]


def test_replayed_audio_is_processed_at_the_next_start(machine: Machine) -> None:
    DeadLetterFile(dead_letter_path(machine.settings)).add("segment", Rejected(CHUNK, AudioError("No Opus packet")))
    assert machine.box.send_back(machine.waiting()) == (1, [])
    assert list(Recovery(machine.settings, machine.lookback).chunks()) == [CHUNK]


def test_a_letter_that_fails_again_can_be_replayed_a_limited_number_of_times(machine: Machine) -> None:
    address = machine.dies()
    for replays in range(MOST_REPLAYS):
        (letter,) = machine.waiting()
        assert letter.replays == replays
        assert machine.box.send_back([letter]) == (1, [])
        machine.dies_again(address)
    (letter,) = machine.waiting()
    assert machine.box.send_back([letter]) == (0, [(letter, "it has been replayed 3 times")])


def test_two_letters_with_the_same_origin_are_listed_once(machine: Machine) -> None:
    address = machine.dies()
    machine.dies_again(address)
    assert len(machine.waiting()) == 1
    machine.box.drop(machine.waiting())
    assert machine.waiting() == []


def test_audio_that_is_no_longer_kept_cannot_be_replayed(machine: Machine) -> None:
    machine.dies()
    for file in machine.lookback.folder.iterdir():
        file.unlink()
    (letter,) = machine.waiting()
    assert machine.box.send_back([letter]) == (0, [(letter, "its audio is no longer kept")])


def test_replay_is_refused_while_a_runner_works(machine: Machine) -> None:
    machine.dies()
    with sole_user(machine.settings.data_dir), pytest.raises(ConfigError, match="is in use by another"):
        machine.box.send_back(machine.waiting())


def test_an_unknown_address_or_folder_is_an_error(machine: Machine, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no dead letter dead-letters/0"):
        machine.box.letters(LetterFilter(["dead-letters/0"]))
    with pytest.raises(InputError, match="There is no folder"):
        local_dead_letters(Settings(data_dir=tmp_path / "nowhere"))
