"""The listen stage tells when nobody in a room is audible."""

import gc
import heapq
import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from msgspec import structs

from pipeline.base.metrics import Metrics
from pipeline.contract.messages import SAMPLE_RATE, AudioChunk, Sound
from pipeline.contract.stage import Backlog
from pipeline.settings import Audio, Overload, RoomShare
from pipeline.sound.dead_air import DeadAirDetectors, is_audible
from pipeline.sound.fingerprints.recording_detector import RecordingDetectors
from pipeline.sound.listen_stage import Listen
from pipeline.speech.audio.encode import decode_flac
from pipeline.speech.audio.resample import Samples
from pipeline.speech.audio.speaker_tracks import KEEP_SECONDS
from pipeline.speech.load_shedding import Valve
from tests.pipeline.review.banning import ban
from tests.pipeline.sound.fingerprints.music import banned, talk
from tests.pipeline.speech.audio.sound import chunks, silence

GRID = 1_790_000_010
"""A second at which a report may be due: a multiple of 15."""
DAY = GRID + 0.3
"""A time between the whole seconds at which the stage decides."""
LEAST = 30
"""Seconds of silence."""


class Room:
    """A listen stage that hears only dead air."""

    def __init__(self, overload: Overload | None = None) -> None:
        self.now = self.step = 0.0
        self.air = DeadAirDetectors(LEAST)
        self.metrics = Metrics()
        valve = Valve(overload or Overload(), self.timer)
        self.stage = Listen([], Audio(), valve, self.metrics, lambda: self.now, self.timer, self.air)

    def timer(self) -> float:
        self.now += self.step
        return self.now

    def hear(self, sent: Iterable[AudioChunk]) -> list[Sound]:
        found = [result for chunk in sent for result in self.stage.process([chunk])]
        return [result for result in found if isinstance(result, Sound)]


def sent(sound: Samples, size: float = 0.2, start: float = DAY, **changes: Any) -> list[AudioChunk]:
    """The audio of a speaker from `start` on, in chunks of `size` seconds."""
    sizes = [round(size * SAMPLE_RATE)] * (sound.size // round(size * SAMPLE_RATE) - 1)
    return [structs.replace(chunk, **changes) for chunk in chunks(sound, sizes, start=start)]


def mixed(*speakers: Sequence[AudioChunk]) -> list[AudioChunk]:
    """The chunks of all speakers in the order in which their audio ends."""
    ends = ([(chunk.start + len(chunk.data) / 4 / SAMPLE_RATE, chunk) for chunk in each] for each in speakers)
    return [chunk for _, chunk in heapq.merge(*ends, key=lambda each: each[0])]


def hiss(seconds: float, level: float = 0.001) -> Samples:
    """A microphone that hears nobody: noise of -60 dB."""
    return np.random.default_rng(1).normal(0, level, round(seconds * SAMPLE_RATE)).astype(np.float32)


def spans(heard: Iterable[Sound]) -> list[tuple[float, float]]:
    return [(each.start - GRID, each.end - GRID) for each in heard]


def words(seconds: float) -> Samples:
    return 0.3 * talk(round(seconds * SAMPLE_RATE))


def test_silence_is_reported_every_fifteen_seconds_with_its_audio() -> None:
    sound = hiss(90)
    heard = Room().hear(sent(sound))
    assert {(each.kind, each.room, each.speaker, each.score, each.name) for each in heard} == {
        ("dead_air", "r", "s", 1.0, "")
    }
    assert spans(heard) == [(30, 45), (45, 60), (60, 75)]
    begin = round(29.7 * SAMPLE_RATE)
    assert np.allclose(decode_flac(heard[0].data), sound[begin : begin + 15 * SAMPLE_RATE], atol=2e-4)


def test_silence_counts_from_the_last_word_in_the_room() -> None:
    sound = np.concatenate([hiss(40), words(8), hiss(60)])
    assert spans(Room().hear(sent(sound))) == [(75, 90)]


def test_somebody_else_who_talks_in_the_room_is_no_dead_air() -> None:
    quiet, loud = sent(hiss(90), speaker="ann"), sent(words(90), speaker="ben")
    assert Room().hear(mixed(quiet, loud)) == []
    assert {each.room for each in Room().hear(mixed(quiet, [structs.replace(each, room="q") for each in loud]))} == {
        "r"
    }


def test_a_host_who_has_left_is_not_audible() -> None:
    """The host talks for 20 s. A listener with an open microphone stays."""
    heard = Room().hear(mixed(sent(words(20), speaker="host"), sent(hiss(90), speaker="ann")))
    assert spans(heard) == [(45, 60), (60, 75)]
    assert {each.speaker for each in heard} == {"ann"}
    assert Room().hear(sent(hiss(20))) == [], "nobody sends audio for long enough"


def test_only_the_first_of_the_silent_speakers_by_name_reports() -> None:
    """When she leaves, the next one goes on, in the same grid."""
    ann, ben, cem = (sent(hiss(seconds), speaker=name) for seconds, name in ((70, "ann"), (120, "ben"), (120, "cem")))
    heard = Room().hear(mixed(cem, ben, ann))
    assert [(each.speaker, *span) for each, span in zip(heard, spans(heard), strict=True)] == [
        ("ann", 30, 45), ("ann", 45, 60), ("ben", 60, 75), ("ben", 75, 90), ("ben", 90, 105),
    ]  # fmt: skip


def test_nobody_repeats_the_report_of_one_who_has_just_left() -> None:
    """Her audio ends with the second at which the report is due, and his goes on."""
    heard = Room().hear(mixed(sent(hiss(49.7), speaker="ann"), sent(hiss(60), speaker="ben")))
    assert [each.speaker for each in heard] == ["ann"]


def test_the_id_does_not_depend_on_the_speaker_who_reports() -> None:
    both = mixed(sent(hiss(60), speaker="ann"), sent(hiss(60), speaker="ben"))
    [one], [other] = Room().hear(both), Room().hear(sent(hiss(60), speaker="ben"))
    assert (one.speaker, other.speaker) == ("ann", "ben")
    assert one.id == other.id
    elsewhere = Room().hear(sent(hiss(60), room="q"))
    assert elsewhere[0].id != one.id


def test_a_changed_bank_does_not_begin_the_silence_again(sqlite_url: str) -> None:
    timer, audio = itertools.count(step=10), sent(hiss(90))
    bank = ban(sqlite_url, banned(1))
    ear, room = RecordingDetectors(bank, lambda: float(next(timer))), Room()
    room.stage = Listen([ear], Audio(), Valve(Overload()), room.metrics, air=room.air)
    heard = room.hear(audio[:200])
    ban(sqlite_url, banned(2))
    ear.wait()
    ear.look()
    ear.wait()
    assert ear.edition == 1
    heard += room.hear(audio[200:])
    assert heard == Room().hear(audio)


def test_after_a_restart_the_reports_go_on_with_the_same_ids() -> None:
    audio = mixed(sent(hiss(150), speaker="ann"), sent(np.concatenate([words(10), hiss(140)]), speaker="ben"))
    whole = Room().hear(audio)
    again, at = Room(), round(len(audio) / 2)
    again.stage.lead_in(audio[at - 240 : at])  # 24 s of both
    heard = again.hear(audio[at:])
    assert spans(heard) == [(75, 90), (90, 105), (105, 120), (120, 135)]
    assert heard == whole[-len(heard) :]


def test_what_overload_leaves_out_is_not_taken_for_silence() -> None:
    """The lot of a talker and of a silent microphone differ for some of the minutes."""
    room = Room(Overload(room_types=[RoomShare(name="default", share=0.5)]))
    room.step = 0.1
    for number in range(64):
        room.hear([structs.replace(sent(silence(1))[0], room="before", speaker=str(number))])
    for _ in range(3):
        room.now += 600
        room.stage.behind(Backlog(waited=3_600, messages=1e6, arrivals=1e6))
    audio = mixed(sent(hiss(600), 0.5, speaker="ann"), sent(words(600), 0.5, speaker="ben"))
    assert room.hear(audio) == []
    left_out = room.metrics.registry.get_sample_value("voxwarden_listened_chunks_total", {"result": "skipped"})
    assert (left_out or 0) > 120


def test_a_room_is_forgotten_with_its_last_speaker() -> None:
    room = Room()
    for name in ("ann", "ben"):
        room.hear([structs.replace(chunk, final=False) for chunk in sent(hiss(2), speaker=name)])
    room.hear([structs.replace(chunk, final=False) for chunk in sent(hiss(2), room="q")])
    assert room.air.size == 2
    room.now += 2 * Audio().idle_seconds
    room.stage.tick(room.now)
    gc.collect()
    assert room.air.size == 2, "an outage looks the same"
    room.now += KEEP_SECONDS
    room.stage.tick(room.now)
    gc.collect()
    assert room.air.size == 0


def test_a_speaker_with_a_wrong_clock_does_not_silence_the_room_or_others() -> None:
    late = sent(words(120), start=DAY + 7_200, speaker="zed")
    quiet, loud = sent(hiss(120), speaker="ann"), sent(words(120), speaker="ben")
    shifted = [(chunk.start - 7_200, chunk) for chunk in late]
    both = sorted([*((each.start, each) for each in (*quiet, *loud)), *shifted], key=lambda each: each[0])
    assert Room().hear(chunk for _, chunk in both) == []


def test_quiet_talk_is_audible_and_noise_and_clicks_are_not() -> None:
    assert is_audible(0.1 * talk(SAMPLE_RATE))
    click = silence(1)
    click[100:1_000] = 0.8
    for sound in (silence(1), hiss(1), click, silence(0)):
        assert not is_audible(sound)
