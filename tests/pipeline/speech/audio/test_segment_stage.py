from collections.abc import Sequence
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from numpy.typing import NDArray

from pipeline.base.errors import BadMessage
from pipeline.base.metrics import Metrics
from pipeline.contract.messages import SAMPLE_RATE, AudioChunk, EarlyUtterance, Utterance, derive_id
from pipeline.contract.stage import Rejected
from pipeline.settings import Audio, load
from pipeline.speech.audio.cutter import PAD_SECONDS, Cut
from pipeline.speech.audio.encode import decode_flac, to_pcm16
from pipeline.speech.audio.resample import Samples
from pipeline.speech.audio.segment_stage import (
    EVERY_SECONDS,
    REMEMBERED_EXAMPLES,
    FaultExamples,
    Output,
    Segment,
    SentSpeech,
    build,
)
from pipeline.speech.audio.speaker_tracks import KEEP_SECONDS
from pipeline.speech.audio.speech_track import SpeechPiece
from pipeline.speech.audio.vad import WINDOW, Memory, Vad, shared
from tests.builders import utterance
from tests.pipeline.speech.audio.sound import chunks, clip, seconds, silence
from tests.speech import talk, unbroken

DAY = 1_790_000_000.0
"""A realistic UTC time. At this size, a float has a resolution of microseconds only."""


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def segment(metrics: Metrics | None = None, clock: Clock | None = None, **audio: float) -> Segment:
    return Segment(Audio.model_validate(audio), metrics or Metrics(), shared(), clock or Clock())


def utterances(results: Sequence[Output]) -> list[Utterance]:
    assert all(isinstance(result, Utterance) for result in results)
    return [result for result in results if isinstance(result, Utterance)]


def dialogue() -> Samples:
    """Two sentences with a pause of 2 s between them."""
    return np.concatenate([silence(1), clip("conf-invalidpin"), silence(2), clip("tt-weasels"), silence(1)])


def monologue() -> Samples:
    return clip("demo-echotest")


def similar(one: Utterance, two: Utterance) -> bool:
    return structs.replace(one, data=b"") == structs.replace(two, data=b"") and one.data == two.data


def test_each_sentence_is_an_utterance_with_correct_times() -> None:
    one, two = utterances(segment().process(seconds(dialogue(), DAY)))
    first = clip("conf-invalidpin").size / SAMPLE_RATE
    second = clip("tt-weasels").size / SAMPLE_RATE
    assert (one.start, one.end) == pytest.approx((DAY + 1, DAY + 1 + first), abs=0.5)
    assert (two.start, two.end) == pytest.approx((DAY + 3 + first, DAY + 3 + first + second), abs=0.5)
    for each in (one, two):
        begin = round((each.start - DAY) * SAMPLE_RATE)
        heard = decode_flac(each.data)
        assert np.array_equal(heard, dialogue()[begin : begin + heard.size])
        assert each.end - each.start == pytest.approx(heard.size / SAMPLE_RATE, abs=1e-5)
        assert each.id == derive_id("segment", each)


@pytest.mark.parametrize("final", [True, False])
def test_audio_that_is_sent_again_is_heard_once(final: bool) -> None:
    """A connection breaks during a sentence. The next one begins 3 s earlier, with chunks of another size."""
    audio = dialogue()
    broken, safe = 7 * SAMPLE_RATE, 4 * SAMPLE_RATE
    first = connection(audio[:broken], 0, SAMPLE_RATE)
    again = connection(audio[safe:], safe, 3_000)
    made, metrics = [], Metrics()
    stage = segment(metrics)
    for chunk in [*first[:-1], structs.replace(first[-1], final=final), *again]:
        made += utterances(stage.process([chunk]))
    told = np.concatenate([decode_flac(each.data)[round(each.overlap * SAMPLE_RATE) :] for each in made])
    whole = [each.end - each.start for each in utterances(segment().process(seconds(audio)))]
    assert told.size / SAMPLE_RATE == pytest.approx(sum(whole), abs=0.4)
    window = WINDOW / SAMPLE_RATE
    assert all(one.end < two.start + two.overlap + window for one, two in pairwise(made)), "silence fills a window"
    assert metrics.registry.get_sample_value("voxwarden_sequence_faults_total", {"result": "resent"}) == 16


def connection(audio: Samples, first: int, size: int) -> list[AudioChunk]:
    pieces = [audio[at : at + size] for at in range(0, audio.size, size)]
    return [
        AudioChunk(
            room="r", speaker="s", start=DAY + (first + number * size) / SAMPLE_RATE, sequence=number,
            session="a-session", first_sample=first + number * size, data=to_pcm16(piece),
            final=number == len(pieces) - 1,
        )
        for number, piece in enumerate(pieces)
    ]  # fmt: skip


def test_no_audio_of_speech_without_a_pause_is_lost() -> None:
    read = clip("sense-and-sensibility")[5_000:-3_500]
    endless = np.tile(read, 6)
    parts = utterances(segment().process(seconds(endless)))
    assert any(part.forced for part in parts)
    assert parts[0].start == pytest.approx(0, abs=0.3)
    assert parts[-1].end == pytest.approx(endless.size / SAMPLE_RATE, abs=0.3)
    for one, two in pairwise(parts):
        assert one.end - one.start <= 15
        assert two.overlap == (pytest.approx(0.5, abs=0.02) if one.forced else 0)
        assert two.start + two.overlap == pytest.approx(one.end)


@settings(max_examples=12)
@given(st.lists(st.integers(0, 40_000), max_size=20), st.sampled_from([dialogue, monologue]))
def test_the_chunk_sizes_do_not_change_the_utterances(sizes: list[int], sound: object) -> None:
    assert callable(sound)
    samples: Samples = sound()
    sizes = [size for size in sizes if size] if sum(sizes) < samples.size else []
    expected = utterances(segment().process(seconds(samples)))
    heard = utterances(segment().process(chunks(samples, sizes)))
    assert len(heard) == len(expected)
    assert all(map(similar, heard, expected))


def test_speakers_and_rooms_are_independent() -> None:
    sounds = {"ann": dialogue(), "bo": monologue(), "cy": clip("vm-newuser")}
    streams = [
        [structs.replace(chunk, room=room, speaker=name) for chunk in seconds(sound)]
        for room in ("lobby", "hall")
        for name, sound in sounds.items()
    ]
    turns = np.random.default_rng(7).permutation(np.repeat(np.arange(len(streams)), list(map(len, streams))))
    heads = [iter(stream) for stream in streams]
    together = utterances(segment().process([next(heads[turn]) for turn in turns]))
    for stream in streams:
        alone = utterances(segment().process(stream))
        mine = [u for u in together if (u.room, u.speaker) == (stream[0].room, stream[0].speaker)]
        assert len(alone) == len(mine) > 0
        assert all(map(similar, alone, mine))


def test_a_bad_chunk_is_rejected_and_the_others_continue() -> None:
    stream = seconds(dialogue())
    bad = structs.replace(stream[0], speaker="other", data=b"odd", codec="pcm_s16le", final=True)
    results = segment().process([stream[0], bad, *stream[1:]])
    (rejected,) = [result for result in results if isinstance(result, Rejected)]
    assert rejected.message is bad
    assert isinstance(rejected.error, BadMessage)
    assert len(results) == 3


def test_small_deviations_of_time_do_not_split_speech() -> None:
    wander = np.random.default_rng(7)
    stream = [
        structs.replace(chunk, start=chunk.start + (float(wander.uniform(-0.08, 0.08)) if chunk.sequence else 0))
        for chunk in seconds(monologue())
    ]
    assert all(map(similar, segment_of(stream), segment_of(seconds(monologue()))))


def unrelated(whole: list[Utterance], moment: float) -> list[Utterance]:
    """The utterances after the first pause that follows `moment`."""
    later = [place for place, each in enumerate(whole) if each.start >= moment + 0.25]
    first = next((place for place in later if not place or whole[place - 1].end < whole[place].start), len(whole))
    return whole[first:]


@pytest.mark.parametrize("size", [320, *(pytest.param(size, marks=pytest.mark.full) for size in (3_200, 16_000))])
def test_speech_has_the_same_id_from_any_first_chunk(size: int) -> None:
    """After a crash Kafka redelivers from an offset that may be anywhere in a speaker's audio."""
    random = Random(size)  # noqa: S311
    samples = talk(60, random)
    stream = chunks(samples, [size] * ((samples.size - 1) // size), start=DAY + 0.123)
    whole = segment_of(stream)
    compared = kept = 0
    for first in random.sample(range(1, len(stream)), 12):
        ids = {each.id for each in segment_of(stream[first:])}
        expected = unrelated(whole, stream[first].start)
        compared += len(expected)
        kept += sum(each.id in ids for each in expected)
    assert compared >= 20
    assert kept >= 0.95 * compared


def test_unfinished_speech_keeps_its_id_after_a_lead_in() -> None:
    """A worker crashes during an utterance that was already sent. Its rest is not sent again with another id."""
    samples = talk(60, Random(5))  # noqa: S311
    stream = chunks(samples, [1_600] * ((samples.size - 1) // 1_600), start=DAY + 0.123)
    whole = segment_of(stream)
    for cut in whole:
        first = next(place for place, chunk in enumerate(stream) if chunk.start > (cut.start + cut.end) / 2)
        stage = segment()
        stage.lead_in(stream[max(0, first - 160) : first])
        found = [each.id for each in utterances(stage.process(stream[first:]))]
        assert found == [each.id for each in whole if each.end >= cut.end]


def test_audio_before_a_lead_in_that_is_sent_again_is_not_heard() -> None:
    """The client sent 3 s again in smaller chunks. Some of them begin before the first chunk of the lead-in."""
    audio = monologue()[: 12 * SAMPLE_RATE]
    broken, safe = 7 * SAMPLE_RATE, 4 * SAMPLE_RATE
    stream = connection(audio[:broken], 0, 2 * SAMPLE_RATE)
    stream[-1] = structs.replace(stream[-1], final=False)
    place = len(stream)
    stream += connection(audio[safe:], safe, 3_000)
    stage = segment()
    stage.lead_in(stream[place - 1 : place])
    found = utterances(stage.process(stream[place:]))
    assert min(each.start for each in found) > stream[place - 1].start - WINDOW / SAMPLE_RATE


def test_a_lead_in_is_not_counted_as_speech() -> None:
    metrics = Metrics()
    stage = segment(metrics)
    stage.lead_in(seconds(monologue()))
    assert metrics.registry.get_sample_value("voxwarden_speech_seconds_total") == 0


def segment_of(stream: list[AudioChunk]) -> list[Utterance]:
    return utterances(segment().process(stream))


def test_a_final_chunk_ends_the_speaker() -> None:
    stage = segment()
    stream = seconds(clip("tt-weasels"))
    assert stage.process(stream[:-1]) == []
    assert stage.speakers() == [("r", "s")]
    assert len(stage.process(stream[-1:])) == 1
    assert stage.speakers() == []


def test_a_session_goes_on_after_a_final_chunk() -> None:
    """A push-to-talk key is released, and pressed again after 2 s."""
    first, second = clip("conf-invalidpin"), clip("tt-weasels")
    pressed = connection(first, 0, 3_200)
    again = connection(second, first.size, 3_200)
    later = [
        structs.replace(chunk, sequence=chunk.sequence + len(pressed) + 1, start=chunk.start + 2) for chunk in again
    ]
    stage = segment()
    [one], [two] = utterances(stage.process(pressed)), utterances(stage.process(later))
    for made, sound in ((one, first), (two, second)):
        assert made.end - made.start == pytest.approx(sound.size / SAMPLE_RATE, abs=0.5)
    assert stage.speakers() == []


def test_speech_of_a_speaker_who_falls_silent_is_returned() -> None:
    clock = Clock()
    metrics = Metrics()
    stage = segment(metrics, clock, idle_seconds=3)
    stage.process(seconds(clip("tt-weasels"))[:-1])
    assert stage.tick(clock.now + 2.9) == []
    assert metrics.registry.get_sample_value("voxwarden_open_speakers") == 1
    assert stage.needed("r", "s") > 0
    assert len(utterances(stage.tick(clock.now + 3))) == 1
    assert stage.needed("r", "s") == 0
    assert stage.tick(clock.now + 10) == []
    assert metrics.registry.get_sample_value("voxwarden_open_speakers") == 1, "the speaker may come back"
    assert stage.tick(clock.now + 3 + KEEP_SECONDS) == []
    assert metrics.registry.get_sample_value("voxwarden_open_speakers") == 0


def test_speech_continues_after_an_outage_with_the_same_cuts() -> None:
    """An outage looks like silence. Speech returned meanwhile is not returned again, and later cuts do not change."""
    stream = seconds(np.concatenate([monologue(), silence(1), clip("tt-weasels"), silence(1)]), DAY)
    wanted = utterances(segment().process(stream))
    for pause in range(4, len(stream) - 4, 7):
        clock = Clock()
        stage = segment(clock=clock, idle_seconds=3)
        found = utterances(stage.process(stream[:pause]))
        clock.now += 30
        early = utterances(stage.tick(clock.now))
        assert not early or stage.needed("r", "s") == 0
        found += early + utterances(stage.process(stream[pause:]))
        same = {each.id for each in found} & {each.id for each in wanted}
        assert len(same) >= len(wanted) - 1
        for one, two in pairwise(found):
            assert two.start - one.end + 1e-5 >= -0.5, "the overlap is at most that of a forced cut"
        heard = [(each.start, each.end) for each in found]
        assert all(covered(heard, each.start, each.end) for each in wanted)


class Voice(Vad):
    """Takes all for speech."""

    def __init__(self) -> None:
        """Load no model."""

    def probabilities(self, samples: Samples, memory: Memory) -> NDArray[np.float32]:
        del memory
        return np.ones(samples.size // WINDOW, np.float32)


def test_speech_that_is_cut_before_the_end_of_what_was_returned_is_not_returned_twice() -> None:
    """At 15 s without a pause, the cut is at the quietest moment since 8 s. An outage may have come after that."""
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, 20 * SAMPLE_RATE).astype(np.float32)
    noise[9 * SAMPLE_RATE :][:3_200] *= 0.5
    stream, clock = seconds(noise, DAY), Clock()
    stage = Segment(Audio(), Metrics(), Voice(), clock)
    stage.process(stream[:12])
    clock.now += 30
    found = utterances(stage.tick(clock.now)) + utterances(stage.process(stream[12:]))
    assert [round(each.end - DAY) for each in found] == [12, 20]
    said = sum(each.end - each.start - each.overlap for each in found)
    assert said == pytest.approx(20, abs=0.04)


def test_a_short_part_that_came_during_an_outage_is_returned_once() -> None:
    """A gateway that was frozen passes 0.2 s on, and stops. The rest comes when another one runs."""
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, 6 * SAMPLE_RATE).astype(np.float32)
    stream, clock = chunks(noise, [SAMPLE_RATE // 5] * 29, start=DAY), Clock()
    stage = Segment(Audio(), Metrics(), Voice(), clock)
    found = utterances(stage.process(stream[:15]))
    clock.now += 10
    found += utterances(stage.tick(clock.now)) + utterances(stage.process(stream[15:16]))
    clock.now += 20
    found += utterances(stage.tick(clock.now)) + utterances(stage.process(stream[16:]))
    assert [round(each.end - DAY, 1) for each in found] == [3.0, 3.2, 6.0]
    assert sum(each.end - each.start - each.overlap for each in found) == pytest.approx(6, abs=0.04)
    for one, two in pairwise(found):
        assert two.overlap <= (one.end - one.start) / 2 + 1e-4, "the two are no cases of the same words"


def covered(spans: list[tuple[float, float]], start: float, end: float) -> bool:
    for first, last in sorted(spans):
        if first <= start + 1e-5:
            start = max(start, last)
    return start >= end - 0.15


def test_drain_returns_all_held_speech() -> None:
    stage = segment()
    for name in ("ann", "bo"):
        stage.process([structs.replace(c, speaker=name) for c in seconds(clip("tt-weasels"))[:-1]])
    assert [u.speaker for u in utterances(stage.drain())] == ["ann", "bo"]
    assert stage.drain() == []


def test_a_chunk_that_waits_for_its_turn_is_needed() -> None:
    stage = segment()
    stream = seconds(silence(5), DAY)
    stage.process([stream[0], stream[2], stream[3]])
    assert stage.needed("r", "s") == 2
    assert stage.needed("r", "nobody") == 0
    stage.process([stream[1]])
    assert stage.needed("r", "s") == 0


def test_a_late_chunk_is_needed_with_the_chunks_that_arrived_before_it() -> None:
    stage = segment()
    stream = seconds(clip("sense-and-sensibility"), DAY)
    stage.process([stream[0], stream[2], stream[1], stream[3]])
    assert stage.needed("r", "s") == 4


@pytest.mark.parametrize("jump", [-3_600.0, 3e8, 60.0])
def test_a_clock_that_jumps_during_endless_speech_delays_no_commit(jump: float) -> None:
    """Commits continue as long as only the chunks of the unfinished speech are needed."""
    endless = np.tile(clip("sense-and-sensibility")[5_000:-3_500], 6)
    stream = [structs.replace(c, start=c.start + (jump if c.sequence >= 20 else 0)) for c in seconds(endless, DAY)]
    metrics, clock = Metrics(), Clock()
    clock.now = DAY
    stage = segment(metrics, clock)
    results, most = [], 0
    for chunk in stream:
        results += stage.process([chunk])
        most = max(most, stage.needed("r", "s"))
    assert most <= 17
    said = sum(each.end - each.start - each.overlap for each in utterances(results))
    assert said == pytest.approx(endless.size / SAMPLE_RATE, abs=1.5)


@pytest.mark.parametrize("jump", [-3_600.0, 3e8])
def test_one_wrong_time_does_not_split_speech(jump: float) -> None:
    metrics, clock = Metrics(), Clock()
    clock.now = DAY
    plain = seconds(dialogue(), DAY)
    stream = [structs.replace(c, start=c.start + (jump if c.sequence == 2 else 0)) for c in plain]
    heard = utterances(segment(metrics, clock).process(stream))
    assert all(map(similar, heard, segment_of(plain)))
    assert len(heard) == 2
    assert metrics.registry.get_sample_value("voxwarden_sequence_faults_total", {"result": "clock"}) == 1


def test_overlapping_speech_is_counted_once() -> None:
    metrics = Metrics()
    endless = np.tile(clip("sense-and-sensibility")[5_000:-3_500], 4)
    segment(metrics).process(seconds(endless))
    counted = metrics.registry.get_sample_value("voxwarden_speech_seconds_total")
    assert counted == pytest.approx(endless.size / SAMPLE_RATE, abs=0.5)


def test_nan_samples_are_counted() -> None:
    metrics = Metrics()
    segment(metrics).process(seconds(np.full(SAMPLE_RATE, np.nan, np.float32)))
    assert metrics.registry.get_sample_value("voxwarden_repaired_samples_total") == SAMPLE_RATE


def test_the_buffer_of_endless_speech_is_bounded() -> None:
    stage = segment()
    endless = np.tile(clip("sense-and-sensibility")[5_000:-3_500], 4)[: 22 * SAMPLE_RATE]
    most = 0.0
    for chunk in seconds(endless)[:-1]:
        stage.process([structs.replace(chunk, speaker=str(number)) for number in range(40)])
        most = max(most, *stage.held_seconds())
    assert len(stage.held_seconds()) == 40
    assert 8 < most <= 15


def test_the_stage_is_built_from_the_settings() -> None:
    assert len(build(load(), Metrics()).process(seconds(dialogue()))) == 2


@pytest.mark.parametrize("weight", [-1.0, -0.5, -2.0])
def test_a_voice_and_its_inverse_on_two_channels_are_heard(weight: float) -> None:
    voice = clip("tt-weasels") * np.float32(0.5)
    data = np.ascontiguousarray(np.stack([voice, weight * voice], axis=1).astype("<f4")).tobytes()
    chunk = AudioChunk(
        room="r", speaker="s", start=DAY, sequence=0, codec="pcm_f32le", channels=2, data=data, final=True
    )
    (heard,) = utterances(segment().process([chunk]))
    (wanted,) = utterances(segment().process(seconds(voice, DAY)))
    assert (heard.start, heard.end) == pytest.approx((wanted.start, wanted.end), abs=0.2)


def live(audio: Samples, late: float = 0.2, *, early: bool = True) -> list[Output]:
    """The results for live audio in pieces of 0.1 s that arrive `late` seconds after their end."""
    clock = Clock()
    stage = Segment(Audio(), Metrics(), shared(), clock, early=early)
    found: list[Output] = []
    for chunk in chunks(audio, [SAMPLE_RATE // 10] * ((audio.size - 1) // (SAMPLE_RATE // 10)), start=DAY):
        clock.now = chunk.start + 0.1 + late
        found += stage.process([chunk])
    return found


def test_live_speech_is_offered_early_with_the_id_and_the_audio_of_its_utterance() -> None:
    found = live(np.concatenate([dialogue(), silence(1)]))
    early = [each for each in found if isinstance(each, EarlyUtterance)]
    cut = [each for each in found if isinstance(each, Utterance)]
    fields = ("id", "room", "speaker", "start", "end", "data")
    assert [{name: getattr(each, name) for name in fields} for each in cut] == [
        {name: getattr(each, name) for name in fields} for each in early if each.id in {one.id for one in cut}
    ]
    order = [each.id for each in found if not isinstance(each, Rejected)]
    assert all(order.index(each.id) < len(order) - 1 - order[::-1].index(each.id) for each in cut)


def test_early_speech_changes_no_utterance() -> None:
    audio = np.concatenate([dialogue(), monologue(), silence(1)])
    assert [each for each in live(audio) if isinstance(each, Utterance)] == live(audio, early=False)


def test_long_live_speech_is_offered_so_far_with_the_start_of_its_utterance() -> None:
    found = live(np.concatenate([unbroken(monologue()), silence(1)]))
    so_far = [each for each in found if isinstance(each, EarlyUtterance) and each.so_far]
    cut = [each for each in found if isinstance(each, Utterance)]
    assert len(so_far) > len(cut) > 1
    assert {each.start for each in so_far} <= {each.start for each in cut}
    for each in so_far:
        (whole,) = [one for one in cut if one.start == each.start]
        assert found.index(each) < found.index(whole)
        assert each.id != whole.id
        assert each.overlap == whole.overlap
        heard = decode_flac(each.data)
        assert np.array_equal(heard, decode_flac(whole.data)[: heard.size]) or each.end > whole.end
        assert 3 <= each.end - each.start <= whole.end - whole.start + 0.5
    assert not any(each.so_far for each in live(dialogue()) if isinstance(each, EarlyUtterance)), "short speech"


def test_the_rest_of_speech_is_offered_so_far_only_when_it_is_long() -> None:
    """An outage ended the speech after 5 s, so the next 3 s have only a second that is new."""
    clock = Clock()
    stage = Segment(Audio(), Metrics(), shared(), clock, early=True)
    found: list[Output] = []
    audio = unbroken(monologue())
    for number, chunk in enumerate(chunks(audio, [SAMPLE_RATE // 10] * 120, start=DAY)):
        clock.now = chunk.start + 0.3
        found += stage.process([chunk])
        if number == 50:
            found += stage.tick(clock.now + 4)
    so_far = [each.end - each.start for each in found if isinstance(each, EarlyUtterance) and each.so_far]
    assert len(so_far) >= 2
    assert min(so_far) >= 3


@pytest.mark.parametrize("late", [60.0, -60.0])
def test_recordings_are_not_offered_early(late: float) -> None:
    assert not any(isinstance(each, EarlyUtterance) for each in live(dialogue(), late))


KEY = ("r", "ann")
START = 1_790_000_000 * SAMPLE_RATE


OVERLAP = 160


def said(seconds: float, *, speaker: str = "ann", start: int = START, overlap: int = OVERLAP) -> Utterance:
    begun = start / SAMPLE_RATE
    made = utterance("told", begun, begun + seconds, room="r", speaker=speaker, data=b"")
    return structs.replace(made, overlap=overlap / SAMPLE_RATE)


def audio(seconds: float) -> Samples:
    return np.arange(round(seconds * SAMPLE_RATE), dtype=np.float32)


def piece(seconds: float, at: float = 0.0, *, forced: bool = True) -> SpeechPiece:
    return SpeechPiece({}, START + round(at * SAMPLE_RATE), Cut(320, audio(seconds), forced=forced, overlap=OVERLAP))


def sent(*utterances: Utterance) -> SentSpeech:
    made = SentSpeech()
    made.note(utterances)
    return made


@pytest.mark.parametrize(("new", "repeated"), [(4.0, 0.5), (0.5, 0.5), (0.2, 0.2)])
def test_the_rest_has_an_overlap_as_after_a_forced_cut(new: float, repeated: float) -> None:
    rest = sent(said(3.0)).rest(KEY, piece(3.0 + new))
    assert rest is not None
    at = round((3.0 - repeated) * SAMPLE_RATE)
    assert (rest.start, rest.cut.start, rest.cut.forced) == (START + at, 320 + at, True)
    assert rest.cut.overlap == round(repeated * SAMPLE_RATE)
    assert np.array_equal(rest.cut.samples, audio(3.0 + new)[at:])


@pytest.mark.parametrize("now", [1.0, 2.9, 3.0, 3.1])
def test_speech_without_enough_new_audio_has_no_rest(now: float) -> None:
    assert sent(said(3.0)).rest(KEY, piece(now)) is None


def test_speech_with_another_start_or_speaker_is_returned_whole() -> None:
    one = piece(5.0)
    later = START + round(2.5 * PAD_SECONDS * SAMPLE_RATE)
    assert sent(said(3.0, speaker="ben"), said(3.0, start=later)).rest(KEY, one) is one
    assert sent().rest(KEY, one) is one


@pytest.mark.parametrize("windows", [-6, -1, 1, 6])
def test_speech_whose_padding_was_cut_at_another_length_is_returned_once(windows: int) -> None:
    shift = windows * WINDOW
    known = sent(said(3.0 - shift / SAMPLE_RATE, start=START + shift))
    assert known.rest(KEY, piece(3.0)) is None
    rest = known.rest(KEY, piece(5.0))
    assert rest is not None
    assert rest.start == START + round(2.5 * SAMPLE_RATE)


def test_the_longest_returned_utterance_counts() -> None:
    assert sent(said(4.0), structs.replace(said(3.0), id="shorter")).rest(KEY, piece(4.0)) is None


def test_speech_may_be_returned_in_several_parts() -> None:
    first = said(3.0)
    rest = sent(first).rest(KEY, piece(5.0))
    assert rest is not None
    second = said(2.5, start=rest.start, overlap=rest.cut.overlap)
    last = sent(first, second).rest(KEY, piece(8.0))
    assert last is not None
    assert last.start == START + round(4.5 * SAMPLE_RATE)


def test_speech_that_is_cut_at_another_pause_than_before_is_returned_once() -> None:
    """Another worker hears a pause at 3 s. The first one heard none until 6 s, and returned a second part up to 9 s."""
    known = sent(said(6.0), said(3.0, start=START + 6 * SAMPLE_RATE, overlap=0))
    assert known.rest(KEY, piece(3.0, forced=False)) is None
    assert known.rest(KEY, piece(5.6, at=3.4)) is None
    after = piece(5.0, at=9.5)
    assert known.rest(KEY, after) is after


def test_the_number_of_remembered_utterances_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.speech.audio.segment_stage.REMEMBERED_SPEECH", 2)
    one = piece(5.0)
    assert sent(*(said(3.0, start=START + number * SAMPLE_RATE) for number in range(3))).rest(KEY, one) is one


def test_the_next_example_is_due_after_a_minute() -> None:
    clock = Clock()
    examples = FaultExamples(clock)
    assert examples.due("ann")
    clock.now += EVERY_SECONDS - 1
    assert not examples.due("ann")
    assert examples.due("ben"), "another speaker has examples of his own"
    clock.now += 1
    assert examples.due("ann")
    assert not examples.due("ann")


def test_a_clock_that_is_set_back_delays_the_next_example_by_no_more_than_a_minute() -> None:
    clock = Clock()
    examples = FaultExamples(clock)
    assert examples.due("ann")
    clock.now -= 3_600
    assert examples.due("ann")
    assert not examples.due("ann")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 100)), max_size=40))
def test_two_examples_of_a_speaker_are_never_closer_than_a_minute(packets: list[tuple[str, float]]) -> None:
    clock, kept = Clock(), dict[str, float]()
    examples = FaultExamples(clock)
    for speaker, wait in packets:
        clock.now += wait
        due = speaker not in kept or clock.now - kept[speaker] >= EVERY_SECONDS
        assert examples.due(speaker) == due
        if due:
            kept[speaker] = clock.now


def test_the_number_of_remembered_speakers_is_bounded() -> None:
    examples = FaultExamples(Clock())
    for number in range(REMEMBERED_EXAMPLES + 1):
        assert examples.due(number)
    assert not examples.due(REMEMBERED_EXAMPLES), "the latest is remembered"
    assert not examples.due(1)
    assert examples.due(0), "the oldest is forgotten"
