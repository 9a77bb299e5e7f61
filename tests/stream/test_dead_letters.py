"""Dead letters on a real broker: they halt a worker, and can be listed, replayed and dropped."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agents.broker.dead_letter_topic import KafkaDeadLetters
from agents.broker.kafka_clients import topic_name
from agents.broker.kafka_records import dead_letter
from agents.commands.command_line import app
from agents.loop.dead_letter_share import ENOUGH
from pipeline.base.errors import BadMessage
from pipeline.contract.cloud_events import Event, encode_event
from pipeline.contract.topology import DEAD_LETTERS, JUDGE, SEGMENT, TRANSCRIPTS
from pipeline.runner.dead_letter_store import MOST_REPLAYS, LetterFilter
from pipeline.settings import Settings
from tests.builders import transcript
from tests.stream.kafka_io import committed, headers_of, put, wait_for
from tests.stream.processes import worker

pytestmark = pytest.mark.broker


class Shell:
    """Runs `voxwarden dead-letters ...` with these settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __call__(self, *arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, ["dead-letters", *arguments], obj=None, env=self._environment)
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == code, done.output
        return done.stdout

    def listed(self, *arguments: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self("list", "--format", "jsonl", *arguments).splitlines()]

    @property
    def _environment(self) -> dict[str, str]:
        kafka = self._settings.kafka
        return {"VOXWARDEN_KAFKA__BOOTSTRAP": kafka.bootstrap, "VOXWARDEN_KAFKA__PREFIX": kafka.prefix}


@pytest.fixture
def shell(settings: Settings) -> Shell:
    return Shell(settings)


def letter(settings: Settings, number: int, replays: int = 0, reason: str = "Not to be judged") -> Event:
    """Return the dead letter of a transcript."""
    event = encode_event(transcript("words", number), "test")
    if replays:
        event = Event(event.key, event.value, [*event.headers, ("voxwarden-replays", str(replays).encode())])
    source = f"{topic_name(TRANSCRIPTS, settings.kafka)}/0/{number}"
    return dead_letter(JUDGE, event, BadMessage(reason), source, 2_000_000)


def test_list_shows_open_letters_and_filters_them(settings: Settings, shell: Shell) -> None:
    noise = dead_letter(SEGMENT, Event(b"lobby", b"\xff\xfe", []), BadMessage("No ce_type header"), None, 1_000)
    put(settings, DEAD_LETTERS, [letter(settings, 7), noise])
    assert {(each["stage"], each["reason"]) for each in shell.listed()} == {
        ("judge", "Not to be judged"),
        ("segment", "No ce_type header"),
    }
    [found] = shell.listed("--stage", "judge", "--since", "1h")
    assert found["origin"] == f"{settings.kafka.prefix}voice.transcripts/0/7"
    assert found["size"] > 0
    assert [each["stage"] for each in shell.listed("--reason", "CE_TYPE")] == ["segment"]
    assert "judge" in shell("list")


def test_show_prints_headers_and_no_audio_as_text(settings: Settings, shell: Shell) -> None:
    audio = Event(b"lobby", b"RIFFspoken" * 100, [("content-type", b"audio/pcm")])
    put(settings, DEAD_LETTERS, [dead_letter(SEGMENT, audio, BadMessage("Unknown codec"), None, 10_000)])
    [found] = shell.listed()
    shown = shell("show", found["address"])
    assert "Unknown codec" in shown
    assert "52 49 46 46" in shown
    assert "RIFF" not in shown
    assert "1,000 bytes" in shown


def test_replay_sends_the_original_record_once(settings: Settings, shell: Shell) -> None:
    original = encode_event(transcript("words", 1), "test")
    put(settings, DEAD_LETTERS, [letter(settings, 1), letter(settings, 2)])
    assert shell("replay", f"{settings.kafka.prefix}voice.transcripts/0/1") == "1 replayed.\n"
    [record] = wait_for(settings, TRANSCRIPTS, lambda found: len(found) == 1, lambda: None)
    assert (record.key, record.value) == (original.key, original.value)
    assert list(record.headers) == [*original.headers, ("voxwarden-replays", b"1")]
    assert [each["origin"][-1] for each in shell.listed()] == ["2"]
    assert {each["handled"] for each in shell.listed("--handled")} == {"replayed", None}


def test_replay_refuses_letters_that_it_cannot_send(settings: Settings, shell: Shell) -> None:
    homeless = dead_letter(JUDGE, encode_event(transcript("x", 1), "test"), BadMessage("Too large"), None, 1_000_000)
    foreign = dead_letter(JUDGE, encode_event(transcript("x", 2), "test"), BadMessage("Odd"), "payments/0/1", 1_000_000)
    put(settings, DEAD_LETTERS, [homeless, foreign, letter(settings, 3, replays=MOST_REPLAYS)])
    assert shell("replay", "--all", code=3) == "0 replayed.\n"
    assert len(shell.listed()) == 3


def test_drop_marks_letters_and_keeps_them(settings: Settings, shell: Shell) -> None:
    put(settings, DEAD_LETTERS, [letter(settings, 1), letter(settings, 2, reason="Something else")])
    assert shell("drop", "--reason", "something") == "1 dropped.\n"
    assert [each["reason"] for each in shell.listed()] == ["Not to be judged"]
    assert shell("drop", "--all") == "1 dropped.\n"
    assert "No dead letters" in shell("list")


def test_a_worker_halts_and_leaves_its_topic_and_halts_again(settings: Settings, tmp_path: Path) -> None:
    count = 40
    put(settings, TRANSCRIPTS, [transcript("reject", n, room=f"room-{n}") for n in range(count)])
    for start in (1, 2):
        with worker(settings, tmp_path / f"log-{start}", "tests.stream.faulty") as process:
            assert process.wait(60) == 4, process.log
            assert "judge halts: " in process.log
            assert "Traceback" not in process.log
        assert sum(committed(settings, JUDGE).values()) < start * ENOUGH


def test_a_replayed_record_is_processed_or_counts_its_replays(settings: Settings, shell: Shell, tmp_path: Path) -> None:
    """The dead letter of a record that fails again has the number of replays."""
    put(settings, TRANSCRIPTS, [transcript("reject", 0)])
    with worker(settings, tmp_path / "log", "tests.stream.faulty") as process:
        wait_for(settings, DEAD_LETTERS, lambda found: len(found) == 1, process.running)
        assert shell("replay", "--all") == "1 replayed.\n"
        records = wait_for(settings, DEAD_LETTERS, lambda found: len(found) == 3, process.running)
        assert process.stop() == 0
    assert [each["replays"] for each in shell.listed()] == [1]
    assert sum("voxwarden-handled" in headers_of(record) for record in records) == 1


def test_a_letter_is_hidden_when_an_older_letter_of_its_record_is_outside_the_time(settings: Settings) -> None:
    put(settings, DEAD_LETTERS, [letter(settings, 1)])
    [first] = KafkaDeadLetters(settings.kafka).letters(LetterFilter())
    put(settings, DEAD_LETTERS, [letter(settings, 1), letter(settings, 2)])
    [found] = KafkaDeadLetters(settings.kafka).letters(LetterFilter(since=first.at + 0.001))
    assert (found.origin or "").endswith("/2")
