import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from pipeline.asr.transcribe import Transcribe, build
from pipeline.asr.transcriber import Clip, Reading, Recognition, Samples, TimedWord, Transcriber
from pipeline.asr.triage import POSSIBLE, VOICED, triage
from pipeline.audio.encode import encode_flac
from pipeline.errors import AudioError, BadMessage
from pipeline.messages import MAX_ALTERNATIVES, SAMPLE_RATE, Alternative, Transcript, Word, derive_id
from pipeline.metrics import Metrics
from pipeline.settings import Asr, Settings
from pipeline.stage import Rejected
from tests.pipeline.asr.parts import Scripted, plain, recognition, speech, utterance


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

    def transcribe(self, clips: Sequence[Clip], *, words: bool = False) -> list[Recognition]:
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
def test_a_forced_cut_repeats_no_word_in_the_transcripts(tiny: Transcriber) -> None:
    """The cut is inside "representatives are currently busy. Please stay on the line", and repeats half a second."""
    samples, cut, overlap = speech("queue-periodic-announce"), round(4.2 * SAMPLE_RATE), SAMPLE_RATE // 2
    head = utterance(0, 4.2, forced=True, data=encode_flac(samples[:cut]))
    tail = utterance(3.7, 4.1, overlap=0.5, data=encode_flac(samples[cut - overlap :]))
    said = plain(" ".join(texts(Transcribe(tiny, Asr(), Metrics()).process([head, tail])))).split()
    assert all(one != other for one, other in pairwise(said))
    assert said[-8:-1] == ["will", "be", "answered", "by", "the", "next", "available"]
    assert said[-1].startswith("representative")


@pytest.mark.weights
def test_build_loads_the_model_of_the_settings() -> None:
    settings = Settings(asr=Asr(model="tiny.en", download=False, device="cpu"))
    transcribe = build(settings, Metrics())
    (found,) = transcribe.process([utterance(0, 2.95, data=encode_flac(speech("tt-weasels")))])
    assert isinstance(found, Transcript)
    assert plain(found.text) == "weasels have eaten our phone system"
    assert found.model == "ctranslate2/tiny.en@1a5afae0"
