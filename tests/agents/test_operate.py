"""docs/operate.md is true: the gateway skips the frames of its drill and continues."""

import ast
import re
from pathlib import Path

import pytest

from agents.gateway.audio_receiver import BROKEN_PER_SECOND
from pipeline.base.errors import InputError
from pipeline.settings import GatewaySettings
from pipeline.speech.audio.stream_codecs import checked_samples

MANUAL = (Path(__file__).parents[2] / "docs" / "operate.md").read_text(encoding="utf-8")


def found(pattern: str) -> str:
    [value] = re.findall(pattern, MANUAL)
    return str(value)


def test_the_packets_of_the_drill_are_not_opus() -> None:
    packet = ast.literal_eval(found(r"gateway\.send\((.*)\)"))
    with pytest.raises(InputError):
        checked_samples(packet)


def test_the_drill_does_not_end_the_connection() -> None:
    limits = GatewaySettings()
    assert int(found(r"for _ in range\((\d+)\)")) < BROKEN_PER_SECOND * limits.burst_seconds
