from collections.abc import Iterable, Iterator

import numpy as np
import pytest

from pipeline.base.errors import DependencyError
from pipeline.base.metrics import Metrics
from pipeline.contract.messages import AudioChunk
from pipeline.contract.stage import Rejected
from pipeline.settings import Audio
from pipeline.speech.audio import speaker_tracks
from pipeline.speech.audio.chunk_order import ReceivedSamples
from pipeline.speech.audio.resample import Samples
from pipeline.speech.audio.speaker_tracks import AudioTrack, Key, SpeakerTracks

IDLE = Audio().idle_seconds


class Counter(AudioTrack[str]):
    """Finds the number of samples in each chunk, and that of the whole track."""

    def begin(self, start: int) -> None:
        self._total = 0

    def hear(self, samples: Samples) -> Iterator[str]:
        if samples.size:
            self._total += samples.size
            yield f"{self.origin['speaker']} {samples.size}"

    def finish(self) -> Iterator[str]:
        yield f"{self.origin['speaker']} all {self._total}"


class Room:
    def __init__(self) -> None:
        self.now = 1_000.0
        self.fault: Exception | None = None
        settings, metrics = Audio(), Metrics()

        def new(key: Key, received: ReceivedSamples) -> Counter:
            return Counter(settings, metrics, received, lambda: False)

        self.speakers: SpeakerTracks[Counter, str] = SpeakerTracks(
            settings, lambda: self.now, new, self._hear, self._end
        )

    def _hear(self, key: Key, track: Counter, chunk: AudioChunk) -> Iterable[str | Rejected]:
        if self.fault:
            raise self.fault
        return track.push(chunk)

    def _end(self, key: Key, track: Counter) -> Iterable[str | Rejected]:
        return track.flush()

    def send(self, speaker: str, sequence: int = 0, *, final: bool = False) -> list[str | Rejected]:
        data = np.zeros(160, np.float32).tobytes()
        chunk = AudioChunk(
            room="r",
            speaker=speaker,
            start=sequence / 100,
            sequence=sequence,
            codec="pcm_f32le",
            final=final,
            data=data,
        )
        return [*self.speakers.take(chunk)]

    @property
    def names(self) -> list[str]:
        return [speaker for _, speaker in self.speakers.tracks]


def test_each_speaker_has_a_track_until_the_last_chunk() -> None:
    room = Room()
    assert room.send("ana") + room.send("ben") + room.send("ana", 1) == ["ana 160", "ben 160", "ana 160"]
    assert room.send("ana", 2, final=True) == ["ana 160", "ana all 480"]
    assert room.names == ["ben"]


def test_speakers_who_send_nothing_are_idle_and_can_be_ended() -> None:
    room = Room()
    for name in ("ana", "ben", "cem"):
        room.send(name)
        room.now += 1
    room.send("ana", 1)
    assert room.names == ["ben", "cem", "ana"]
    assert room.speakers.idle(1_001 + IDLE) == [("r", "ben")]
    idle = room.speakers.idle(1_002 + IDLE)
    assert [*room.speakers.end(idle)] == ["ben all 160", "cem all 160"]
    assert room.names == ["ana"]


def test_beyond_the_limit_the_speaker_who_is_idle_longest_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speaker_tracks, "MAX_SPEAKERS", 100)
    room = Room()
    for number in range(100):
        room.send(str(number))
    room.send("0", 1)
    assert room.send("new") == ["1 all 160", "new 160"]
    assert len(room.names) == 100


def test_a_speaker_whose_chunk_raises_an_unexpected_error_begins_again() -> None:
    room = Room()
    room.send("ana")
    room.fault = ZeroDivisionError()
    [rejected] = room.send("ana", 1)
    assert isinstance(rejected, Rejected)
    assert "ZeroDivisionError" in rejected.error.what
    assert room.names == []
    room.fault = None
    assert room.send("ana", 2, final=True) == ["ana 160", "ana all 160"]


def test_a_fault_of_a_dependency_stops_the_batch() -> None:
    room = Room()
    room.send("ana")
    room.fault = DependencyError("The disk is full", "Free some space.")
    with pytest.raises(DependencyError):
        room.send("ana", 1)
    assert room.names == ["ana"]
