"""The settings are checked before the gateway starts. tests/stream proves the sink with a real broker."""

import pytest

from agents.gateway.sink import check
from pipeline.base.errors import ConfigError
from pipeline.settings import Audio, Kafka, Settings


def test_a_frame_must_fit_into_a_record() -> None:
    check(Settings())
    with pytest.raises(ConfigError, match=r"kafka\.max_message_bytes: a frame of the gateway does not fit"):
        check(Settings(audio=Audio(max_seconds=3), kafka=Kafka(max_message_bytes=200_000)))
