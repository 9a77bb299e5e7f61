"""Speakers of a live service talk through a real gateway's protocol."""

import threading
import time

import numpy as np
from websockets.sync.server import ServerConnection, serve

from tests.deploy.incidents.speakers import FRAME, IncidentSpeaker, everyone, talking
from tests.ports import free_port


def test_a_speaker_says_the_same_again_and_again_at_the_speed_of_speech() -> None:
    heard: list[bytes] = []

    def hear(connection: ServerConnection) -> None:
        heard.extend(frame for frame in connection if isinstance(frame, bytes))

    port = free_port()
    speaker = IncidentSpeaker("room", "game", "ann", np.linspace(-0.5, 0.5, 2 * FRAME - 10, dtype=np.float32))
    first, second = speaker.frames()
    with serve(hear, "127.0.0.1", port) as gateway:
        threading.Thread(target=gateway.serve_forever, daemon=True).start()
        with talking([speaker], port, "token"):
            deadline = time.monotonic() + 30
            while len(heard) < 3:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        gateway.shutdown()
    assert heard[:3] == [first, second, first]


def test_the_demo_breaks_rules_and_others_do_not() -> None:
    people = everyone()
    assert {speaker.name for speaker in people} >= {"ben", "wei"}
    assert len({(speaker.room, speaker.name) for speaker in people}) == len(people)
    assert {speaker.room_type for speaker in people} == {"default", "game", "kids"}
