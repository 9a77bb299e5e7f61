"""The settings are checked before the gateway starts. tests/stream proves the sink with a real broker."""

import pytest

from agents.gateway.sink import check
from pipeline.base.errors import ConfigError
from pipeline.settings import GatewaySettings, Kafka, Settings


def test_a_frame_must_fit_into_a_record() -> None:
    check(Settings())
    with pytest.raises(ConfigError, match=r"gateway\.max_frame_bytes: a frame of 900000 bytes"):
        check(Settings(gateway=GatewaySettings(max_frame_bytes=900_000), kafka=Kafka(max_message_bytes=900_000)))
