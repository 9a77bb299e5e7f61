"""docs/operate.md is true: the gateway takes what its drill sends, and segment does not."""

import ast
import re
from pathlib import Path

import pytest

from agents.gateway.frames import opus_samples
from agents.halt import ENOUGH
from pipeline.audio.frames import StreamDecoder
from pipeline.errors import BadMessage
from pipeline.messages import AudioChunk

MANUAL = (Path(__file__).parents[2] / "docs" / "operate.md").read_text(encoding="utf-8")


def found(pattern: str) -> str:
    [value] = re.findall(pattern, MANUAL)
    return str(value)


def test_the_drills_packets_become_dead_letters() -> None:
    packet = ast.literal_eval(found(r"gateway\.send\((.*)\)"))
    assert opus_samples(packet) > 0
    chunk = AudioChunk(
        room="drill", speaker="broken", start=0.0, sequence=0, codec="opus", sample_rate=48_000, data=packet
    )
    with pytest.raises(BadMessage, match="no Opus packet"):
        StreamDecoder().decode(chunk)


def test_the_drill_does_not_halt_segment() -> None:
    assert int(found(r"for _ in range\((\d+)\)")) < ENOUGH
