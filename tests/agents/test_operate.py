"""docs/operate.md is true: the gateway takes what its drill sends, and segment does not."""

import ast
import re
from pathlib import Path

from agents.halt import DeadLetterShare
from pipeline.audio.opus import opus_samples
from pipeline.audio.segment import Segment
from pipeline.audio.vad import shared
from pipeline.messages import AudioChunk
from pipeline.metrics import Metrics
from pipeline.settings import Audio
from pipeline.stage import Rejected

MANUAL = (Path(__file__).parents[2] / "docs" / "operate.md").read_text(encoding="utf-8")


def found(pattern: str) -> str:
    [value] = re.findall(pattern, MANUAL)
    return str(value)


def test_the_drill_leaves_one_dead_letter_and_does_not_halt() -> None:
    packet = ast.literal_eval(found(r"gateway\.send\((.*)\)"))
    assert opus_samples(packet) > 0
    count = int(found(r"for _ in range\((\d+)\)"))
    stream = [
        AudioChunk(
            room="drill", speaker="broken", start=0.02 * n, sequence=n, codec="opus", sample_rate=48_000, data=packet
        )
        for n in range(count)
    ]
    results = Segment(Audio(), Metrics(), shared()).process(stream)
    rejected = [result for result in results if isinstance(result, Rejected)]
    assert len(rejected) == count
    assert sum(result.letter for result in rejected) == 1
    share = DeadLetterShare("segment", 0.5)
    share.add(["broken"] * count, ["broken"] * count)
