"""Settings of several sections that must fit together."""

import pytest
from pydantic import ValidationError

from pipeline.settings import Kafka, ListenSettings, Settings


def test_dead_air_needs_workers_that_hear_whole_rooms() -> None:
    dead_air, howl = ListenSettings(sounds=("howl", "dead_air")), ListenSettings(sounds=("howl",))
    with pytest.raises(ValidationError, match=r"dead_air, which needs kafka\.room_shards 1"):
        Settings(listen=dead_air, kafka=Kafka(room_shards=4))
    assert Settings(listen=dead_air).listen.dead_air_seconds == 60
    assert Settings(listen=howl, kafka=Kafka(room_shards=4)).kafka.room_shards == 4
