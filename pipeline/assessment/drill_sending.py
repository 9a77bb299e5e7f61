"""Sends the speech of a drill to the gateway in real time, as an app does."""

import time
from collections.abc import Callable
from urllib.parse import quote, urlencode

import numpy as np
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from pipeline.assessment.drills import SPEAKER
from pipeline.base.errors import DependencyError
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.audio.encode import to_pcm16
from pipeline.speech.audio.resample import Samples

FRAME_SECONDS = 0.2
FRAME_BYTES = round(FRAME_SECONDS * SAMPLE_RATE) * 2  # 16-bit samples
QUIET = 0.01
"""Samples below this level at the end of a recording are no speech."""


def send(
    gateway: str,
    token: str,
    drill: str,
    room: str,
    samples: Samples,
    room_type: str = "default",
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> float:
    """Send the sound (16 kHz mono) into a room, marked with the drill. Return when the speech ended, in UTC seconds.

    `gateway` is its address, for example ws://127.0.0.1:8765. Raises DependencyError if it refuses the connection.
    """
    query = urlencode({"sample_rate": SAMPLE_RATE, "room_type": room_type, "drill": drill})
    url = f"{gateway.rstrip('/')}/v1/rooms/{quote(room, safe='')}/speakers/{SPEAKER}/audio?{query}"
    data = to_pcm16(samples)
    try:
        with connect(url, additional_headers={"Authorization": f"Bearer {token}"}) as socket:
            began = clock()
            for number, at in enumerate(range(0, len(data), FRAME_BYTES), 1):
                socket.send(data[at : at + FRAME_BYTES])
                # Measured from the begin: sleeps that are each a little too long do not add up.
                sleep(max(0.0, began + number * FRAME_SECONDS - clock()))
    except (OSError, WebSocketException) as error:
        raise DependencyError(
            f"The gateway {gateway} does not take the drill: {error}",
            "Check --gateway and the token in gateway.tokens.",
        ) from error
    return began + speech_seconds(samples)


def speech_seconds(samples: Samples) -> float:
    """Return the time from the start of the sound to the end of its speech."""
    loud = np.flatnonzero(np.abs(samples) > QUIET)
    return (int(loud[-1]) + 1) / SAMPLE_RATE if len(loud) else 0.0
