"""Sending a file in real time."""

from agents.broker.send_recordings import paced
from pipeline.contract.messages import AudioChunk


class Clock:
    """A clock that moves only by sleeping, and by the time that sending takes in the test."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def chunk(sequence: int) -> AudioChunk:
    return AudioChunk(room="lobby", speaker="alice", start=5000.0 + sequence, sequence=sequence)


def test_chunks_are_sent_when_their_audio_begins() -> None:
    clock = Clock()
    sent = []
    for each in paced(map(chunk, range(4)), clock, clock.sleep):
        sent.append(clock.now)
        clock.now += 0.25 if each.sequence else 0.0
    assert sent == [100.0, 101.0, 102.0, 103.0]
    assert clock.slept == [1.0, 0.75, 0.75]


def test_sending_catches_up_after_a_slow_broker() -> None:
    clock = Clock()
    sent = []
    for each in paced(map(chunk, range(4)), clock, clock.sleep):
        sent.append(clock.now)
        clock.now += 2.5 if each.sequence == 0 else 0.0
    assert sent == [100.0, 102.5, 102.5, 103.0]
