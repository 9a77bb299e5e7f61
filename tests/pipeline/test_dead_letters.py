"""What the local runner cannot handle stays whole on disk, and never fills it."""

import base64
import json
from pathlib import Path

from pipeline.dead_letters import DeadLetters
from pipeline.errors import AudioError
from pipeline.events import decode
from pipeline.messages import AudioChunk
from pipeline.stage import Rejected

CHUNK = AudioChunk(room="茶馆", speaker="wei", start=12.5, sequence=3, codec="opus", data=b"\x00\xff")


def letters(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_a_letter_holds_the_message_whole(tmp_path: Path) -> None:
    path = tmp_path / "data" / "dead-letters.jsonl"
    DeadLetters(path, clock=lambda: 99.0).add("segment", Rejected(CHUNK, AudioError("No Opus packet", "Send one.")))
    (letter,) = letters(path)
    assert letter["stage"] == "segment"
    assert letter["at"] == 99.0
    assert letter["error"] == "No Opus packet. Send one."
    headers = letter["headers"]
    assert isinstance(headers, dict)
    value = base64.b64decode(str(letter["value"]))
    assert decode(AudioChunk, value, [(name, text.encode()) for name, text in headers.items()]) == CHUNK


def test_letters_are_added(tmp_path: Path) -> None:
    path = tmp_path / "dead-letters.jsonl"
    for _ in range(3):
        DeadLetters(path).add("segment", Rejected(CHUNK, AudioError("No Opus packet")))
    assert len(letters(path)) == 3


def test_a_flood_stops_at_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "dead-letters.jsonl"
    box = DeadLetters(path, max_bytes=1_000)
    for _ in range(100):
        box.add("segment", Rejected(CHUNK, AudioError("No Opus packet")))
    assert 1_000 < path.stat().st_size < 2_000
