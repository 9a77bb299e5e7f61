import math
import time
from collections.abc import Callable, Sequence
from threading import Event
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from msgspec import structs

from pipeline.base.errors import AudioError, BadMessage
from pipeline.base.metrics import Metrics
from pipeline.contract.messages import (
    MAX_ALTERNATIVES,
    SAMPLE_RATE,
    Alternative,
    EarlyUtterance,
    Transcript,
    Utterance,
    Word,
    derive_id,
    origin,
)
from pipeline.contract.speech_status import skipped
from pipeline.contract.stage import Backlog, Rejected
from pipeline.settings import Asr, Overload, Settings
from pipeline.speech.asr import transcribe_stage
from pipeline.speech.asr.recogniser import (
    AdapterUse,
    Clip,
    HasRoom,
    Reading,
    Recogniser,
    Recognition,
    Samples,
    TimedWord,
    always_room,
)
from pipeline.speech.asr.transcribe_stage import BusyTime, Transcribe, build
from pipeline.speech.audio.encode import encode_flac
from pipeline.speech.audio.vad import POSSIBLE, VOICED, triage
from pipeline.speech.load_shedding import Shedding, Valve
from tests.pipeline.speech.asr.parts import Scripted, plain, recognition, speech, utterance


def stage(*script: Recognition, metrics: Metrics | None = None, **asr: Any) -> tuple[Transcribe, Scripted]:
    transcriber = Scripted(list(script))
    return Transcribe(transcriber, Asr(**asr), metrics or Metrics()), transcriber


def drowned() -> Samples:
    """Audio that hardly sounds like a voice."""
    voice = speech("tt-weasels")
    noise = np.random.default_rng(1).normal(0, 0.1, len(voice)).astype(np.float32)
    assert POSSIBLE < triage(0.23 * voice + noise).voice < VOICED
    return 0.23 * voice + noise


def texts(results: list[Transcript | Rejected]) -> list[str]:
    return [result.text for result in results if isinstance(result, Transcript)]


def test_the_transcript_has_the_fields_of_its_utterance() -> None:
    heard = recognition("hello", avg_logprob=0.0, alternatives=(Reading("hallo", -0.9),))
    asked = utterance(100.0, room_type="kids", address="voice.utterances/3/17")
    (found,) = stage(heard)[0].process([asked])
    assert found == Transcript(
        room="lounge",
        speaker="ana",
        room_type="kids",
        start=100.0,
        end=101.0,
        id=derive_id("transcribe", asked),
        utterance=asked.id,
        text="hello",
        language="en",
        confidence=1.0,
        no_speech=0.02,
        alternatives=(Alternative("hallo", -0.9),),
        model="scripted/none@00000000",
        address="voice.utterances/3/17",
    )


def test_a_few_alternatives_are_kept_without_loops() -> None:
    loop = Reading("get out " * 9, -2.0)
    heard = recognition("hello", alternatives=(Reading("hallo", -0.9), loop, *[Reading("hello", -1.0)] * 9))
    (found,) = stage(heard)[0].process([utterance(100.0)])
    assert isinstance(found, Transcript)
    assert len(found.alternatives) == MAX_ALTERNATIVES
    assert [other.text.strip() for other in found.alternatives[:2]] == ["hallo", "get out"]


def test_the_confidence_is_the_mean_probability_per_token() -> None:
    (found,) = stage(recognition("hello", avg_logprob=math.log(0.8)))[0].process([utterance()])
    assert isinstance(found, Transcript)
    assert found.confidence == pytest.approx(0.8)


def test_bad_audio_is_rejected_and_the_others_are_transcribed() -> None:
    broken = utterance(1, data=b"not audio")
    long = utterance(2, data=encode_flac(np.zeros(31 * SAMPLE_RATE, np.float32)))
    transcribe, _ = stage(recognition("one"), recognition("two"))
    first, second, third, fourth = transcribe.process([utterance(0), broken, long, utterance(3)])
    assert texts([first, fourth]) == ["one", "two"]
    assert isinstance(second, Rejected)
    assert second.message is broken
    assert isinstance(second.error, AudioError)
    assert isinstance(third, Rejected)
    assert isinstance(third.error, BadMessage)
    assert "31.0 s" in str(third.error)


def test_utterances_of_several_rooms_are_transcribed_in_one_call() -> None:
    transcribe, transcriber = stage(*[recognition(str(i)) for i in range(5)])
    found = transcribe.process([utterance(0, room=f"room-{i}") for i in range(5)])
    assert texts(found) == ["0", "1", "2", "3", "4"]
    assert transcriber.batches == [5]


@pytest.mark.parametrize("text", ["", "…", "♪ ♪"])
def test_speech_without_words_is_skipped(text: str) -> None:
    asked = utterance(0)
    (found,) = stage(recognition(text))[0].process([asked])
    assert isinstance(found, Transcript)
    assert (found.skipped, found.text, skipped(found).reason) == (True, "", "no_words")
    (other,) = stage(recognition(text, alternatives=(Reading("get out", -0.9),)))[0].process([asked])
    assert isinstance(other, Transcript)
    assert not other.skipped, "the judge reads all readings"
    (faint,) = stage(recognition(text))[0].process([utterance(0, data=encode_flac(drowned()))])
    assert isinstance(faint, Transcript)
    assert (faint.skipped, faint.marks) == (False, ("no_speech",)), "perhaps nobody spoke"


def test_an_utterance_without_speech_is_counted_and_not_transcribed() -> None:
    metrics = Metrics()
    transcribe, transcriber = stage(recognition("one"), recognition("two"), metrics=metrics)
    hiss = np.random.default_rng(1).normal(0, 0.05, SAMPLE_RATE).astype(np.float32)
    silence = utterance(1, address="voice.utterances/0/1", data=encode_flac(np.zeros(SAMPLE_RATE, np.float32)))
    first, silent, noise, last = transcribe.process(
        [utterance(0), silence, utterance(2, data=encode_flac(hiss)), utterance(3)]
    )
    assert texts([first, silent, noise, last]) == ["one", "", "", "two"]
    assert transcriber.batches == [2]
    assert isinstance(silent, Transcript)
    assert (silent.marks, silent.model, silent.no_speech) == (("no_speech",), "silero-vad", 1.0)
    assert (silent.address, silent.id, silent.skipped) == (silence.address, derive_id("transcribe", silence), False)
    for reason in ("silence", "no_voice"):
        assert metrics.registry.get_sample_value("voxwarden_triaged_total", {"reason": reason}) == 1


@pytest.mark.parametrize(
    ("heard", "text"),
    [
        ({"no_speech": 0.2, "avg_logprob": -0.5}, "weasels"),
        ({"no_speech": 0.6, "avg_logprob": -0.5}, ""),
        ({"no_speech": 0.2, "avg_logprob": -0.8}, ""),
    ],
)
def test_a_doubtful_voice_counts_if_the_recogniser_is_sure(heard: dict[str, float], text: str) -> None:
    (found,) = stage(recognition("weasels", **heard))[0].process([utterance(data=encode_flac(drowned()))])
    assert isinstance(found, Transcript)
    assert (found.text, found.marks) == (text, () if text else ("no_speech",))


class Hearing(Scripted):
    """Gives each clip's `tell` the same language probabilities."""

    def transcribe(
        self, clips: Sequence[Clip], *, words: bool = False, has_room: HasRoom = always_room
    ) -> list[Recognition]:
        heard = ({"zh": 0.99, "en": 0.01}, *[{"zh": 0.01, "en": 0.99}] * 5, {"zh": 0.4, "en": 0.6})
        return [recognition("hm", language=clip.choose(each)) for clip, each in zip(clips, heard, strict=True)]


def test_music_does_not_change_the_language_of_a_room() -> None:
    music = [utterance(n, data=encode_flac(drowned())) for n in range(1, 6)]
    *_, found = Transcribe(Hearing([]), Asr(), Metrics()).process([utterance(0), *music, utterance(6)])
    assert isinstance(found, Transcript)
    assert found.language == "zh"


def test_an_empty_batch_gives_no_transcripts() -> None:
    assert stage()[0].process([]) == []


def test_invented_texts_are_marked_and_counted() -> None:
    metrics = Metrics()
    transcribe, _ = stage(
        recognition("get out " * 9, compression_ratio=6.0), recognition("谢谢观看", language="zh"), metrics=metrics
    )
    loop, thanks = transcribe.process([utterance(0), utterance(1)])
    assert isinstance(loop, Transcript)
    assert isinstance(thanks, Transcript)
    assert (loop.text.strip(), loop.marks) == ("get out", ("repetition",))
    assert (thanks.text, thanks.marks) == ("谢谢观看", ("silence_phrase",))
    assert metrics.registry.get_sample_value("voxwarden_transcripts_total", {"language": "zh"}) == 1
    assert metrics.registry.get_sample_value("voxwarden_transcripts_marked_total", {"mark": "repetition"}) == 1


def test_words_have_utc_times_and_no_overlap() -> None:
    timed = tuple(TimedWord(text, i, i + 1.0, 0.9) for i, text in enumerate(["to", "the", "bank"]))
    transcribe, _ = stage(recognition("so I went to the"), recognition("to the bank", words=timed))
    _, found = transcribe.process([utterance(0, 15, forced=True), utterance(14.5, 3, overlap=0.5)])
    assert isinstance(found, Transcript)
    assert found.text == "bank"
    assert found.words == (Word("bank", 16.5, 17.5, 0.9),)


def test_alternatives_have_no_overlap() -> None:
    tail = recognition("to the bank", alternatives=(Reading("to the tank", -0.9), Reading("the bang", -1.0)))
    transcribe, _ = stage(recognition("so I went to the"), tail)
    _, found = transcribe.process([utterance(0, 15, forced=True), utterance(14.5, 3, overlap=0.5)])
    assert isinstance(found, Transcript)
    assert found.alternatives == (Alternative("tank", -0.9), Alternative("bang", -1.0))


@pytest.mark.weights
def test_build_loads_the_model_of_the_settings() -> None:
    settings = Settings(asr=Asr(model="tiny.en", download=False, device="cpu"))
    transcribe = build(settings, Metrics())
    (found,) = transcribe.process([utterance(0, 2.95, data=encode_flac(speech("tt-weasels")))])
    assert isinstance(found, Transcript)
    assert plain(found.text) == "weasels have eaten our phone system"
    assert found.model == "ctranslate2/tiny.en@1a5afae0"


class Bilingual(Scripted):
    """Hears Mandarin in a clip with the probability that `mandarin` has for its number of samples."""

    def __init__(self, mandarin: dict[int, float]) -> None:
        super().__init__([])
        self.mandarin = mandarin

    def transcribe(
        self, clips: Sequence[Clip], *, words: bool = False, has_room: HasRoom = always_room
    ) -> list[Recognition]:
        self.batches.append(len(clips))
        return [self._heard(clip) for clip in clips]

    def _heard(self, clip: Clip) -> Recognition:
        unsure = self.mandarin[len(clip.samples)]
        language = clip.choose({"zh": unsure, "en": 1 - unsure})
        return recognition(f"{len(clip.samples)} in {language}", language=language)


CHANCES = {round(seconds * SAMPLE_RATE): chance for seconds, chance in ((0.5, 0.95), (1.0, 0.45), (1.5, 0.1))}
"""The probability of Mandarin by the number of samples. Without votes, the clip of a second is English."""


def early(message: Utterance) -> EarlyUtterance:
    return EarlyUtterance(**origin(message), id=message.id, end=message.end, data=message.data)


def results(metrics: Metrics) -> dict[str, float]:
    get = metrics.registry.get_sample_value
    names = ("used", "discarded", "declined")
    return {name: get("voxwarden_early_utterances_total", {"result": name}) or 0.0 for name in names}


def until(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.002)


def hears_early(transcribe: Transcribe, transcriber: Scripted, message: EarlyUtterance) -> None:
    """Offer an early utterance, and wait until the recogniser has begun."""
    before = len(transcriber.batches)
    transcribe.early([message])
    until(lambda: len(transcriber.batches) > before)


def test_an_early_result_is_the_result_of_its_utterance() -> None:
    metrics = Metrics()
    transcriber = Bilingual(CHANCES)
    transcribe = Transcribe(transcriber, Asr(), metrics)
    asked = utterance(5.0, 1.5)
    hears_early(transcribe, transcriber, early(asked))
    found = transcribe.process([asked])
    transcribe.close()
    assert found == Transcribe(Bilingual(CHANCES), Asr(), Metrics()).process([asked])
    assert transcriber.batches == [1], "it was recognised once"
    assert results(metrics) == {"used": 1, "discarded": 0, "declined": 0}


def hears_so_far(transcribe: Transcribe, asked: Utterance) -> list[Transcript]:
    """Offer speech so far, and return its transcripts when the recogniser is done."""
    transcribe.early([structs.replace(early(asked), so_far=True, overlap=asked.overlap, address="early/1")])
    until(lambda: all(offer.result.done() for offer in transcribe._early._offers.values()))
    return transcribe.early_outputs()


def test_words_so_far_have_a_transcript_of_their_own_and_change_nothing() -> None:
    metrics = Metrics()
    transcriber = Bilingual(CHANCES)
    transcribe = Transcribe(transcriber, Asr(), metrics)
    begun, whole = utterance(5.0, 1.0), utterance(5.0, 1.5)
    (words,) = hears_so_far(transcribe, begun)
    assert (words.early, words.text, words.language) == (True, "16000 in en", "en")
    assert (words.utterance, words.start, words.end, words.address) == (begun.id, begun.start, begun.end, "early/1")
    assert metrics.registry.get_sample_value("voxwarden_transcripts_total", {"language": "en"}) == 0
    found = transcribe.process([whole])
    transcribe.close()
    assert found == Transcribe(Bilingual(CHANCES), Asr(), Metrics()).process([whole])
    assert results(metrics) == {"used": 1, "discarded": 0, "declined": 0}


def test_words_so_far_do_not_repeat_the_utterance_before() -> None:
    transcribe, _ = stage(recognition("I went to the market"), recognition("the market and then home"))
    transcribe.process([utterance(0.0, 1.5, forced=True)])
    (words,) = hears_so_far(transcribe, utterance(1.0, 3.0, overlap=0.5))
    transcribe.close()
    assert words.text == "and then home"


@pytest.mark.parametrize(
    "doubtful",
    [
        recognition("no " * 40),
        recognition("words", avg_logprob=-1.5, no_speech=0.9),
        recognition("mots", language="fr"),
    ],
    ids=["a loop", "invented", "another language"],
)
def test_words_so_far_that_are_in_doubt_wait_for_the_whole_utterance(doubtful: Recognition) -> None:
    transcribe, _ = stage(doubtful)
    assert hears_so_far(transcribe, utterance(1.0, 3.0)) == []
    transcribe.close()


def test_if_the_room_changes_its_language_in_the_pause_the_utterance_is_recognised_again() -> None:
    metrics = Metrics()
    transcriber = Bilingual(CHANCES)
    transcribe = Transcribe(transcriber, Asr(), metrics)
    asked, others = utterance(9.0, 1.0), [utterance(n, 0.5, speaker="ben") for n in range(3)]
    hears_early(transcribe, transcriber, early(asked))
    for other in others:
        transcribe.process([other])
    assert texts(transcribe.process([asked])) == ["16000 in zh"]
    transcribe.close()
    assert results(metrics) == {"used": 0, "discarded": 1, "declined": 0}


def test_several_utterances_of_a_room_in_a_batch_are_recognised_together() -> None:
    transcriber = Bilingual(CHANCES)
    transcribe = Transcribe(transcriber, Asr(), Metrics())
    one, two = utterance(1.0, 0.5), utterance(1.2, 1.0, speaker="ben")
    hears_early(transcribe, transcriber, early(two))
    assert texts(transcribe.process([one, two])) == ["8000 in zh", "16000 in zh"]
    transcribe.close()
    assert transcriber.batches == [1, 2]


def in_parts(transcribe: Transcribe, asked: Sequence[Utterance]) -> dict[str, Transcript | Rejected]:
    """The outputs by id of the utterance. Each is processed when it is ready."""
    left, found = list(asked), dict[str, Transcript | Rejected]()
    while left:
        ready = transcribe.ready(left)
        found |= dict(zip([each.id for each in ready], transcribe.process(ready), strict=True))
        left = [each for each in left if each.id not in found]
        time.sleep(0.002)
    return found


def one_by_one(transcribe: Transcribe, asked: Sequence[Utterance]) -> list[tuple[Utterance, Transcript | Rejected]]:
    return [(each, transcribe.process([each])[0]) for each in asked]


@hypothesis_settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([0.5, 1.0, 1.5]), st.booleans()), max_size=3),
        max_size=6,
    )
)
def test_early_results_change_no_transcript(batches: list[list[tuple[str, float, bool]]]) -> None:
    transcriber = Bilingual(CHANCES)
    ahead, plain_ = Transcribe(transcriber, Asr(), Metrics()), Transcribe(Bilingual(CHANCES), Asr(), Metrics())
    for number, batch in enumerate(batches):
        asked = [
            utterance(10.0 * number + place, seconds, room=room, speaker=f"{place}")
            for place, (room, seconds, _) in enumerate(batch)
        ]
        for message, (_, _, offered) in zip(asked, batch, strict=True):
            if offered:
                hears_early(ahead, transcriber, early(message))
        assert in_parts(ahead, asked) == {each.id: found for each, found in one_by_one(plain_, asked)}
    ahead.close()


def test_nothing_is_recognised_early_while_the_stage_is_behind() -> None:
    metrics = Metrics()
    transcribe, transcriber = stage(metrics=metrics)
    transcribe.behind(Backlog(waited=1.5))
    transcribe.early([early(utterance())])
    assert results(metrics) == {"used": 0, "discarded": 0, "declined": 1}
    transcribe.close()
    assert transcriber.batches == []


class Held(Scripted):
    """A Transcriber that asks for room when the test lets it go on."""

    def __init__(self) -> None:
        super().__init__([])
        self.begun = 0
        self.open = Event()

    def transcribe(
        self, clips: Sequence[Clip], *, words: bool = False, has_room: HasRoom = always_room
    ) -> list[Recognition]:
        self.begun += 1
        assert self.open.wait(60)
        return [recognition("read" if has_room() else "skipped") for _ in clips]


class Adapting(Scripted):
    """A Transcriber with an adapter, which reads where there is room."""

    def transcribe(
        self, clips: Sequence[Clip], *, words: bool = False, has_room: HasRoom = always_room
    ) -> list[Recognition]:
        return [recognition("你好", language="zh", adapter="read" if has_room() else "skipped") for _ in clips]


def test_the_adapter_is_left_out_while_speech_waits() -> None:
    metrics = Metrics()
    transcribe = Transcribe(Adapting([]), Asr(), metrics)
    for number, waited in enumerate((0.3, 0.4, 5.0, 0.0)):
        transcribe.behind(Backlog(waited=waited))
        transcribe.process([utterance(float(number))])
    get = metrics.registry.get_sample_value
    counts = {use: get("voxwarden_adapter_readings_total", {"result": use}) for use in get_args(AdapterUse)}
    assert counts == {"read": 2, "skipped": 2, "none": 0}
    transcribe.close()


def test_the_adapter_is_left_out_where_nobody_judges() -> None:
    metrics = Metrics()
    transcribe = Transcribe(Adapting([]), Asr(), metrics, judged=False)
    transcribe.process([utterance()])
    assert metrics.registry.get_sample_value("voxwarden_adapter_readings_total", {"result": "skipped"}) == 1
    transcribe.close()


def test_an_early_result_has_no_adapter_while_an_utterance_waits_for_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stage itself sees no backlog: the utterance has come, and is begun when a thread is free."""
    monkeypatch.setattr(transcribe_stage, "ADAPTER_PATIENCE_SECONDS", 0.0)
    transcriber = Held()
    transcribe = Transcribe(transcriber, Asr(workers=1), Metrics())
    first, second = utterance(0.0), utterance(0.0, room="hall")
    transcribe.early([early(first)])
    until(lambda: transcriber.begun == 1)
    assert transcribe.ready([second]) == []
    transcriber.open.set()
    (found,) = transcribe.process([first])
    assert isinstance(found, Transcript)
    assert found.text == "skipped"
    transcribe.close()


def test_the_speed_of_the_stage_is_not_measured_on_early_results() -> None:
    transcriber = Bilingual(CHANCES)
    transcribe, valve = Transcribe(transcriber, Asr(), Metrics()), Valve(Overload())
    shedding = Shedding(transcribe, valve, Metrics(), was_early=lambda: transcribe.was_early)
    for number in range(40):
        asked = utterance(float(number), 0.5)
        hears_early(transcribe, transcriber, early(asked))
        shedding.process([asked])
    assert math.isnan(valve.speed.per_second)
    for number in range(40, 80):
        shedding.process([utterance(float(number), 0.5)])
    assert valve.speed.per_second > 0
    shedding.close()


OTHER = [
    ("other_languages/fr-no-service", "fr", True),
    ("tt-weasels", "en", False),
    ("other_languages/fr-unlocked", "fr", True),
    ("mandarin/4743637f31fc", "zh", False),
    ("other_languages/ru-options", "ru", True),
]
"""What one person says in turn: clip, language, and whether it is skipped."""


def of_one_speaker(names: Sequence[str]) -> list[Utterance]:
    clips = [speech(name) for name in names]
    return [
        utterance(20.0 * number, len(clip) / SAMPLE_RATE, data=encode_flac(clip)) for number, clip in enumerate(clips)
    ]


@pytest.mark.weights
def test_clear_speech_in_another_language_is_skipped_and_counted(base: Recogniser) -> None:
    metrics = Metrics()
    transcribe = Transcribe(base, Asr(), metrics)
    asked = of_one_speaker([name for name, _, _ in OTHER])
    found = [each for each in transcribe.process(asked) if isinstance(each, Transcript)]
    assert [(each.language, each.skipped, not each.text) for each in found] == [
        (language, skipped, skipped) for _, language, skipped in OTHER
    ]
    assert (found[0].model, found[0].address) == (base.name, asked[0].address)
    seconds = {
        language: metrics.registry.get_sample_value("voxwarden_other_language_seconds_total", {"language": language})
        for language in ("fr", "ru")
    }
    french, russian = (
        sum(each.end - each.start for each in asked if each in some) for some in (asked[0:3:2], asked[4:])
    )
    assert seconds == {"fr": pytest.approx(french), "ru": pytest.approx(russian)}
    assert metrics.registry.get_sample_value("voxwarden_transcripts_total", {"language": "fr"}) is None


@pytest.mark.weights
def test_no_english_is_invented_for_a_short_sentence_in_another_language(base: Recogniser) -> None:
    (found,) = Transcribe(base, Asr(), Metrics()).process(of_one_speaker(["other_languages/fr-unlocked"]))
    assert isinstance(found, Transcript)
    assert (found.language, found.skipped, found.text) == ("fr", True, "")


def test_time_in_which_several_threads_work_counts_once() -> None:
    metrics, now = Metrics(), [0.0]
    busy = BusyTime(metrics.recogniser_busy_seconds, lambda: now[0])
    with busy.working():
        now[0] = 2.0
        with busy.working():
            now[0] = 5.0
        now[0] = 6.0
    now[0] = 100.0
    assert metrics.registry.get_sample_value("voxwarden_recogniser_busy_seconds_total") == 6.0
