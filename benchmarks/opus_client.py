"""Many speakers who send 20 ms Opus packets to a gateway in real time, with little CPU of their own.

    python -m benchmarks.opus_client PORT SPEAKERS SECONDS

The packets are the clips of tests/data in sequence with pauses, encoded once. Each speaker starts at another position.
`TOKEN` in the environment is the gateway's.
"""

import os
import socket
import sys
import time
from collections.abc import Sequence
from random import Random
from typing import Any

import av
import numpy as np

from benchmarks.speech import talk
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.audio.encode import to_pcm16
from pipeline.speech.audio.resample import Samples

FRAME_SECONDS = 0.02
TALK_SECONDS = 60
GROUPS = 5
"""Speakers send in groups, not all at the same moment."""
PATIENCE_SECONDS = 60


def packets() -> list[bytes]:
    """Speech as masked WebSocket frames, with one packet each."""
    return [masked(packet) for packet in opus_packets(talk(TALK_SECONDS, Random(0)))]


def opus_packets(sound: Samples) -> list[bytes]:
    """Packets of 20 ms. The samples that do not fill a packet are left out."""
    encoder: Any = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format, encoder.bit_rate = SAMPLE_RATE, "mono", "s16", 24_000
    encoder.options = {"application": "voip", "frame_duration": "20"}
    samples = np.frombuffer(to_pcm16(sound), "<i2")[None]
    frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
    frame.sample_rate = SAMPLE_RATE
    fifo = av.AudioFifo()
    fifo.write(frame)
    encoder.open()
    found: list[bytes] = []
    while part := fifo.read(encoder.frame_size):
        found += [bytes(packet) for packet in encoder.encode(part)]
    return found


def masked(payload: bytes) -> bytes:
    """A final binary frame. The mask is zero, which costs the server the same as any other."""
    size = len(payload)
    head = bytes([0x80 | size]) if size < 126 else bytes([0x80 | 126]) + size.to_bytes(2, "big")
    return b"\x82" + head + bytes(4) + payload


def connected(port: int, number: int) -> socket.socket:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            made = socket.create_connection(("127.0.0.1", port))
            break
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
    lines = [
        f"GET /v1/rooms/room-{number % 64}/speakers/speaker-{number}/audio?codec=opus HTTP/1.1",
        "Host: localhost", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", f"Authorization: Bearer {os.environ['TOKEN']}", "", "",
    ]  # fmt: skip
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made.sendall("\r\n".join(lines).encode())
    answer = made.recv(4096)
    if b" 101 " not in answer:
        raise SystemExit(f"The gateway does not accept the connection: {answer[:80]!r}")
    return made


def speak(speakers: Sequence[socket.socket], frames: Sequence[bytes], seconds: float) -> None:
    begun = time.monotonic()
    for tick in range(round(seconds / FRAME_SECONDS)):
        for group in range(GROUPS):
            due = begun + (tick + group / GROUPS) * FRAME_SECONDS
            time.sleep(max(0.0, due - time.monotonic()))
            for number in range(group, len(speakers), GROUPS):
                speakers[number].sendall(frames[(tick + 37 * number) % len(frames)])


def main(port: str, count: str, seconds: str) -> None:
    frames = packets()
    speakers = [connected(int(port), number) for number in range(int(count))]
    speak(speakers, frames, float(seconds))
    for speaker in speakers:
        speaker.sendall(b"\x88\x82" + bytes(4) + (1000).to_bytes(2, "big"))
    for speaker in speakers:
        while speaker.recv(4096):
            continue
        speaker.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
