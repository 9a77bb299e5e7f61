"""The listen stage hears banned recordings in the audio of rooms."""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec import structs

from pipeline.base.metrics import Metrics
from pipeline.contract.messages import SAMPLE_RATE, AudioChunk, Sound
from pipeline.contract.stage import Backlog, Rejected
from pipeline.review.recording_bank import Bank
from pipeline.settings import Audio, ListenSettings, Overload, RoomShare, Settings
from pipeline.sound.dead_air import DeadAirDetectors
from pipeline.sound.event_detector import EventDetectors
from pipeline.sound.fingerprints.recording_detector import RecordingDetectors
from pipeline.sound.listen_stage import Listen, Pace, build
from pipeline.sound.sound_detector import DetectorFactory
from pipeline.speech.audio import speaker_tracks
from pipeline.speech.audio.encode import decode_flac
from pipeline.speech.audio.resample import Samples
from pipeline.speech.audio.speaker_tracks import KEEP_SECONDS
from pipeline.speech.load_shedding import Valve
from tests.pipeline.review.banning import ban
from tests.pipeline.sound.disturbances import howl
from tests.pipeline.sound.fingerprints.music import banned, part, talk, tune
from tests.pipeline.sound.two_speakers import allison, reader
from tests.pipeline.speech.audio.sound import chunks, silence

DAY = 1_790_000_003.3
"""A time between the whole seconds at which the stage decides."""
PLAYED = (10.0, 30.0)


class Clock:
    def __init__(self) -> None:
        self.now = DAY
        self.step = 0.0
        """Seconds that pass at each call."""

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def played(seconds: float = 50.0) -> Samples:
    """Quiet talk, with a song from 10 s to 30 s."""
    sound = 0.2 * talk(round(seconds * SAMPLE_RATE))
    begin, end = (round(at * SAMPLE_RATE) for at in PLAYED)
    sound[begin:end] += tune(1)
    return sound


@pytest.fixture
def bank(sqlite_url: str) -> Bank:
    return ban(sqlite_url, banned(1))


class Room:
    """A listen stage with its real parts."""

    def __init__(
        self,
        bank: Bank,
        overload: Overload | None = None,
        air: DeadAirDetectors | None = None,
        ears: Sequence[DetectorFactory] = (),
        **audio: Any,
    ) -> None:
        self.clock, self.timer = Clock(), Clock()
        self.metrics = Metrics()
        self.ear = RecordingDetectors(bank, self.timer)
        valve = Valve(overload or Overload(), self.timer)
        settings = Audio.model_validate(audio)
        self.stage = Listen([self.ear, *ears], settings, valve, self.metrics, self.clock, self.timer, air)

    def hear(self, sent: Sequence[AudioChunk]) -> list[Sound]:
        return sounds(result for chunk in sent for result in self.stage.process([chunk]))

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"voxwarden_{name}", labels) or 0.0


@pytest.fixture
def room(bank: Bank) -> Room:
    return Room(bank)


def sounds(results: Iterator[Sound | Rejected] | Sequence[Sound | Rejected]) -> list[Sound]:
    found = list(results)
    assert all(isinstance(result, Sound) for result in found)
    return [result for result in found if isinstance(result, Sound)]


def sent(sound: Samples, size: float = 0.2, **changes: Any) -> list[AudioChunk]:
    sizes = [round(size * SAMPLE_RATE)] * (sound.size // round(size * SAMPLE_RATE) - 1)
    return [structs.replace(chunk, **changes) for chunk in chunks(sound, sizes, start=DAY)]


def test_a_song_behind_talk_is_heard_with_its_span_and_its_audio(room: Room) -> None:
    heard = room.hear(sent(played()))
    assert {(each.kind, each.name, each.reference) for each in heard} == {("recording", "A song", banned(1).id)}
    first, last = heard[0], heard[-1]
    assert (first.start - DAY, last.end - DAY) == pytest.approx(PLAYED, abs=1)
    assert all(one.end == pytest.approx(other.start, abs=1e-3) for one, other in itertools.pairwise(heard))
    for each in heard:
        begin, end = (round((at - DAY) * SAMPLE_RATE) for at in (each.start, each.end))
        assert np.allclose(decode_flac(each.data), played()[begin:end], atol=2e-4)
    assert room.count("sounds_total", kind="recording") == len(heard)


def test_the_size_of_chunks_and_batches_does_not_matter(bank: Bank) -> None:
    small, large = Room(bank), Room(bank)
    assert small.hear(sent(played(), 0.02)) == sounds(large.stage.process(sent(played(), 3.7)))


def test_audio_that_comes_again_gives_the_same_ids(bank: Bank) -> None:
    """A worker that starts in the middle of the song hears the last seconds before, and reports as the first one."""
    whole = Room(bank).hear(sent(played()))
    again, audio = Room(bank), sent(played())
    at = round(18 / 0.2)
    again.stage.lead_in(audio[:at])
    assert again.hear(audio[at:]) == [each for each in whole if each.end - DAY > 18]
    assert [each.id for each in Room(bank).hear(audio)] == [each.id for each in whole]


def test_other_speakers_and_other_songs_are_not_confused(room: Room) -> None:
    audio = [chunk for both in zip(sent(played()), sent(tune(2, 50.0), speaker="t"), strict=True) for chunk in both]
    assert {each.speaker for each in room.hear(audio)} == {"s"}


def test_without_a_recording_audio_passes_by_undecoded(sqlite_url: str) -> None:
    room = Room(Bank(sqlite_url))
    assert room.stage.process([structs.replace(each, codec="container") for each in sent(silence(2))]) == []
    assert room.stage.speakers() == []
    assert room.count("listened_chunks_total", result="heard") == 0


def test_a_recording_that_is_added_is_heard_from_then_on(sqlite_url: str) -> None:
    room, audio = Room(ban(sqlite_url, banned(2))), sent(played())
    room.hear(audio[:10])
    ban(sqlite_url, banned(1))
    room.timer.now += 10
    room.hear(audio[10:11])
    room.ear.wait()
    assert room.hear(audio[11:])


def test_bad_chunks_are_left_to_segment(room: Room) -> None:
    bad = AudioChunk(room="r", speaker="s", start=DAY, sequence=0, codec="container", data=b"no recording")
    assert room.stage.process([bad]) == []


def test_a_speaker_who_sends_nothing_is_forgotten(room: Room) -> None:
    audio = sent(part(played(), 0, 18))[:-1]
    before = room.hear(audio)
    assert room.stage.tick(room.clock.now + 2) == []
    rest = sounds(room.stage.tick(room.clock.now + 4))
    assert room.stage.speakers() == []
    assert rest[-1].end - DAY == pytest.approx(18, abs=2)
    assert [each.id for each in before] != [each.id for each in rest]


def test_with_dead_air_the_sounds_of_one_who_sends_nothing_are_reported_as_soon(bank: Bank) -> None:
    """Only dead air goes on when the audio goes on. The song is found again, and its spans never overlap."""
    rooms = Room(bank), Room(bank, air=DeadAirDetectors(60))
    audio = sent(played())
    heard = [room.hear(audio[:90]) for room in rooms]
    rests = [sounds(room.stage.tick(room.clock.now + 4)) for room in rooms]
    assert heard[0] == heard[1]
    assert [each.id for each in rests[0]] == [each.id for each in rests[1]] != []
    assert rests[1][-1].end == pytest.approx(rests[0][-1].end, abs=1)
    stage = rooms[1].stage
    assert stage.speakers() == [("r", "s")]
    assert stage.tick(rooms[1].clock.now + 5) == []
    spans = [*heard[1], *rests[1], *rooms[1].hear(audio[90:])]
    assert all(one.end <= other.start for one, other in itertools.pairwise(spans))
    assert spans[-1].end - DAY == pytest.approx(PLAYED[1], abs=1)
    assert len({each.id for each in spans}) == len(spans)
    stage.tick(rooms[1].clock.now + 4 + KEEP_SECONDS)
    assert stage.speakers() == []


def test_the_number_of_speakers_is_bounded(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speaker_tracks, "MAX_SPEAKERS", 100)
    room = Room(bank)
    for number in range(150):
        room.stage.process([structs.replace(sent(silence(1))[0], speaker=str(number))])
    assert len(room.stage.speakers()) == 100
    room.stage.close()


def test_under_overload_whole_minutes_of_speakers_are_left_out_and_counted(bank: Bank) -> None:
    room = Room(bank, Overload(room_types=[RoomShare(name="default", share=0.5)]))
    audio = [structs.replace(chunk, start=DAY) for chunk in sent(silence(1))]
    room.timer.step = 0.1
    for number in range(64):
        room.stage.process([structs.replace(audio[0], speaker=f"before {number}")])
    for _ in range(3):
        room.timer.now += 600
        room.stage.behind(Backlog(waited=3_600, messages=1e6, arrivals=1e6))
    heard = {name: room.count("listened_chunks_total", result=name) for name in ("heard", "skipped")}
    for number in range(200):
        room.stage.process([structs.replace(chunk, speaker=f"after {number}") for chunk in audio])
    kept = room.count("listened_chunks_total", result="heard") - heard["heard"]
    left_out = room.count("listened_chunks_total", result="skipped") - heard["skipped"]
    assert 60 * len(audio) < kept < 140 * len(audio)
    assert (kept % len(audio), kept + left_out) == (0, 200 * len(audio))


def test_the_log_tells_when_audio_is_left_out_and_when_no_longer(bank: Bank, caplog: pytest.LogCaptureFixture) -> None:
    room = Room(bank)
    room.timer.step = 0.1
    for number in range(64):
        room.stage.process([structs.replace(sent(silence(1))[0], speaker=str(number))])
    for _ in range(3):
        room.timer.now += 600
        room.stage.behind(Backlog(waited=3_600, messages=1e6, arrivals=1e6))
    for _ in range(3):
        room.timer.now += 600
        assert room.stage.tick(DAY) == []
    assert [each.getMessage() for each in caplog.records if each.levelname == "WARNING"] == [
        "overload: audio waits for 3600 s; the audio of some speakers is left out",
        "overload ended: the audio of all speakers is heard",
    ]


def built(settings: Settings, metrics: Metrics) -> Listen:
    return build(settings, metrics, Bank(settings.database_url))


def test_the_stage_of_the_settings_uses_their_bank(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    ban(settings.database_url, banned(1))
    metrics = Metrics()
    stage = built(settings, metrics)
    assert metrics.registry.get_sample_value("voxwarden_banned_recordings") == 1
    heard = sounds(stage.process(sent(played())))
    assert heard
    assert stage.needed("r", "s") == 0


def test_sound_events_that_the_settings_name_are_heard_without_a_bank(tmp_path: Path) -> None:
    stage = built(Settings(data_dir=tmp_path, listen=ListenSettings(sounds=("howl",))), Metrics())
    sound = 0.1 * talk(30 * SAMPLE_RATE)
    sound[10 * SAMPLE_RATE : 20 * SAMPLE_RATE] = howl(np.random.default_rng(1), sound[: 10 * SAMPLE_RATE])
    heard = sounds([result for chunk in sent(sound) for result in stage.process([chunk])])
    assert {(each.kind, each.name, each.label) for each in heard} == {("howl", "", "")}
    assert (heard[0].start - DAY, heard[-1].end - DAY) == pytest.approx((10, 20), abs=2)


def test_another_voice_is_heard_in_batches_and_chunks_of_any_size(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, listen=ListenSettings(sounds=("voice_change",)))
    sound = np.concatenate([allison(), reader(), np.zeros(2 * SAMPLE_RATE, np.float32)])
    stage = built(settings, Metrics())
    [found] = sounds([result for chunk in sent(sound) for result in stage.process([chunk])])
    assert (found.kind, found.name, found.label) == ("voice_change", "", "")
    assert found.start - DAY < allison().size / SAMPLE_RATE < found.end - DAY
    assert sounds(built(settings, Metrics()).process(sent(sound, 3.7))) == [found]


def test_a_changed_bank_lets_the_other_ears_go_on(sqlite_url: str) -> None:
    """It changes in the middle of a howl."""
    sound = 0.1 * talk(20 * SAMPLE_RATE)
    sound[5 * SAMPLE_RATE : 12 * SAMPLE_RATE] = howl(np.random.default_rng(1), sound[: 7 * SAMPLE_RATE])
    audio, bank = sent(sound), ban(sqlite_url, banned(1))
    changed, same = (Room(bank, ears=[EventDetectors(["howl"])]) for _ in range(2))
    heard = changed.hear(audio[:40])
    ban(sqlite_url, banned(2))
    changed.timer.now += 10
    changed.ear.look()
    changed.ear.wait()
    assert changed.ear.edition == 1
    assert [*heard, *changed.hear(audio[40:])] == same.hear(audio) != []


def test_a_howl_that_is_heard_again_after_a_restart_has_the_same_ids(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, listen=ListenSettings(sounds=("howl",)))
    sound = howl(np.random.default_rng(1), 0.1 * talk(40 * SAMPLE_RATE))
    whole, again = built(settings, Metrics()), built(settings, Metrics())
    heard = sounds([result for chunk in sent(sound) for result in whole.process([chunk])])
    at = round(25 / 0.2)
    again.lead_in(sent(sound)[:at])
    later = sounds([result for chunk in sent(sound)[at:] for result in again.process([chunk])])
    assert later
    assert [each.id for each in later] == [each.id for each in heard if each.end - DAY > 24.5]


def test_steady_work_keeps_its_time() -> None:
    pace = Pace()
    assert [pace.add(64, 6.4) for _ in range(50)] == pytest.approx([6.4] * 50)


def test_bursts_are_spread_over_the_chunks_between_them() -> None:
    """Of ten batches, one makes the model work: a chunk needs a tenth of its time on average, whenever one asks."""
    pace = Pace()
    found = [pace.add(10, 5.0 if number % 10 == 0 else 0.0) for number in range(1_000)]
    assert min(found[500:]) > 0.4
    assert max(found[500:]) < 0.6


def test_what_was_long_ago_no_longer_counts() -> None:
    pace = Pace()
    for _ in range(100):
        pace.add(10, 10.0)
    for _ in range(1_000):
        last = pace.add(10, 1.0)
    assert last == pytest.approx(1.0, rel=0.01)


def test_no_chunks_need_no_time() -> None:
    assert Pace().add(0, 0.0) == 0.0
