"""Both engines keep the same promises, with real weights and human speech."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.base.errors import ConfigError, WeightsCorrupt
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.settings import Asr
from pipeline.speech.asr import openai_whisper_engine, whisper_recogniser, whisper_weights
from pipeline.speech.asr.hypothesis import Hypothesis, best_first
from pipeline.speech.asr.openai_whisper_weights import model_of
from pipeline.speech.asr.recogniser import ENGINES, MAX_SAMPLES, Clip, Recogniser, Samples, load_recogniser
from pipeline.speech.asr.whisper_input import as_trained, log_mel
from pipeline.speech.asr.whisper_recogniser import BeamSearch
from pipeline.speech.audio.decode import samples_of
from pipeline.speech.languages.zh.script import SCRIPT
from tests.pipeline.speech.asr.models import little_whisper, save_pt
from tests.pipeline.speech.asr.parts import DATA, plain, speech

TOLERANCE = 1e-3
"""Tolerance of mean log-probabilities: batch sizes change the rounding of matrix products, by up to 2e-6 on CPU."""

pytestmark = pytest.mark.weights


def mandarin(seconds: float = 6.0) -> Samples:
    """The first words of the demo's tea house."""
    path = DATA.parents[1] / "pipeline" / "runner" / "demo" / "teahouse-lin.ogg"
    return samples_of(path)[: round(seconds * SAMPLE_RATE)]


def test_human_speech_is_transcribed_correctly(tiny: Recogniser) -> None:
    names = (
        "conf-invalid",
        "tt-weasels",
    )  # without words such as pin and pen, which rounding on another CPU could change
    heard = tiny.transcribe([Clip(speech(name)) for name in names])
    assert [plain(found.text) for found in heard] == [
        "that is not a valid conference number please try again",
        "weasels have eaten our phone system",
    ]
    for found in heard:
        assert found.language == "en"
        assert found.avg_logprob > -1
        assert found.no_speech < 0.2
        assert found.words == ()


@pytest.mark.parametrize("english_first", [True, False])
def test_both_languages_of_a_clip_are_heard(base: Recogniser, english_first: bool) -> None:
    """One speaker says both, with a breath between them."""
    spoken = {"en": speech("conf-invalid"), "zh": speech("mandarin/da269b5be455")}
    order = ["en", "zh"] if english_first else ["zh", "en"]
    breath = np.zeros(SAMPLE_RATE // 5, np.float32)
    samples = np.concatenate([spoken[order[0]], breath, spoken[order[1]]])
    (found,) = base.transcribe([Clip(samples, only=frozenset(spoken))], words=True)
    words = {"en": "valid conference number", "zh": "没大人的时候"}
    assert [found.text.index(words[language]) for language in order] == sorted(map(found.text.index, words.values()))
    ends = {word.text.strip(): word.end for word in found.words}
    assert (ends["conference"] < len(spoken["en"]) / SAMPLE_RATE) is english_first


@pytest.mark.parametrize("english_first", [True, False])
def test_english_beside_a_language_that_nobody_asks_for_is_heard(base: Recogniser, english_first: bool) -> None:
    spoken = [speech("conf-invalid"), speech("other_languages/ru-options")]
    samples = np.concatenate(spoken if english_first else spoken[::-1])
    (found,) = base.transcribe([Clip(samples, only=frozenset({"en", "zh"}))])
    assert "valid conference number" in found.text
    assert len(found.text) < 60
    assert found.language == "en"


def test_other_clips_do_not_change_the_text_of_a_clip(tiny: Recogniser) -> None:
    """A clip gives the same text alone, in a batch with an equally long one, and with a longer one and noise."""
    clip, twin, long = (Clip(speech(name)) for name in ("conf-invalidpin", "tt-weasels", "vm-newuser"))
    noise = Clip(np.random.default_rng(1).normal(0, 0.1, SAMPLE_RATE).astype(np.float32))
    (alone,) = tiny.transcribe([clip])
    *_, found, _ = tiny.transcribe([noise, long, twin, clip, twin])
    assert found.text == alone.text
    assert found.avg_logprob == pytest.approx(alone.avg_logprob, abs=TOLERANCE)
    assert found.no_speech == pytest.approx(alone.no_speech, abs=TOLERANCE)


def test_the_same_clip_gives_the_same_result_again(tiny: Recogniser) -> None:
    """This includes a clip that needs all decodes."""
    noise = Clip(np.random.default_rng(2).normal(0, 0.2, SAMPLE_RATE).astype(np.float32))
    assert tiny.transcribe([noise]) == tiny.transcribe([noise])


def test_words_have_times(tiny: Recogniser) -> None:
    samples = speech("conf-invalidpin")
    (heard,) = tiny.transcribe([Clip(samples)], words=True)
    assert plain(" ".join(word.text for word in heard.words)) == plain(heard.text)
    times = [time for word in heard.words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert 0 <= times[0] < times[-1] <= len(samples) / SAMPLE_RATE
    assert all(0 < word.probability <= 1 for word in heard.words)


def test_languages_are_detected_in_one_batch(base: Recogniser) -> None:
    asked: list[dict[str, float]] = []

    def choose(probabilities: object) -> str:
        asked.append(dict(probabilities))  # type: ignore[call-overload]
        return max(asked[-1], key=lambda language: asked[-1][language])

    clips = [
        Clip(mandarin(), choose=choose),
        Clip(speech("dir-nomatch"), choose=choose),
        Clip(speech("tt-weasels"), "en"),
    ]
    zh, en, fixed = base.transcribe(clips)
    assert [zh.language, en.language, fixed.language] == ["zh", "en", "en"]
    assert [round(probabilities[code], 6) for probabilities, code in zip(asked, ("zh", "en"), strict=True)] == [
        round(zh.language_probability, 6),
        round(en.language_probability, 6),
    ]
    assert fixed.language_probability == 1
    assert plain(en.text) == "no directory entries match your search"
    assert sum(letter in zh.text for letter in "大家晚上好聊天室") >= 6


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("chinese", "other"), [("simplified", "traditional"), ("traditional", "simplified")])
def test_mandarin_is_written_in_the_chosen_variant(engine: Any, chinese: Any, other: Any) -> None:
    asr = Asr(engine=engine, download=False, device="cpu", chinese=chinese, adapters=False)
    (heard,) = load_recogniser(asr).transcribe([Clip(mandarin(), "zh")], words=True)
    for text in (heard.text, *(reading.text for reading in heard.alternatives)):
        assert text == SCRIPT.written(text, chinese) != SCRIPT.written(text, other)
    assert "".join(word.text for word in heard.words) == "".join(heard.text.split())


def test_a_clip_of_more_than_30_seconds_is_refused(tiny: Recogniser) -> None:
    with pytest.raises(ValueError, match="more than 480000"):
        tiny.transcribe([Clip(np.zeros(MAX_SAMPLES + 1, np.float32))])


def test_the_name_has_engine_model_and_weights(tiny: Recogniser) -> None:
    assert tiny.name.split("/")[0] in ENGINES
    assert tiny.name.split("/")[1] == "tiny.en@1a5afae0"


def test_a_fine_tuned_model_is_loaded_by_path(tmp_path: Path) -> None:
    """The fine-tuned model is found, its shapes are checked, and it is warmed up."""
    save_pt(little_whisper(vocabulary=51865), tmp_path / "ours.pt")
    engine = load_recogniser(Asr(engine="openai-whisper", model=str(tmp_path / "ours.pt"), device="cpu", language="zh"))
    assert engine.name.startswith("openai-whisper/ours@")


def test_ctranslate2_refuses_a_checkpoint(tmp_path: Path) -> None:
    save_pt(little_whisper(), tmp_path / "ours.pt")
    with pytest.raises(ConfigError, match=r"ours\.pt.*asr\.engine=openai-whisper"):
        load_recogniser(Asr(engine="ctranslate2", model=str(tmp_path / "ours.pt"), device="cpu"))


def test_a_folder_without_a_model_is_corrupt(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"anything")
    with pytest.raises(WeightsCorrupt, match="No Whisper model"):
        load_recogniser(Asr(engine="ctranslate2", model=str(tmp_path), device="cpu"))


@pytest.mark.parametrize("engine", ENGINES)
def test_an_english_model_refuses_another_language(engine: Any) -> None:
    with pytest.raises(ConfigError, match="knows only English"):
        load_recogniser(Asr(engine=engine, model="tiny.en", download=False, device="cpu", language="zh"))


def test_a_wide_beam_gives_alternatives(base: Recogniser, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mandarin has many homophones, and the judge reads all alternatives. Noise makes this clip ambiguous."""
    written: list[Hypothesis] = []

    def noted(tried: list[Hypothesis]) -> list[Hypothesis]:
        written.extend(tried)
        return best_first(tried)

    monkeypatch.setattr(whisper_recogniser, "best_first", noted)
    clear = mandarin(4.0)
    noise = np.random.default_rng(3).normal(0, 0.1, len(clear)).astype(np.float32)
    (zh,) = base.transcribe([Clip(clear + noise, "zh")])
    texts = [zh.text, *(other.text for other in zh.alternatives)]
    assert sorted(texts) == sorted({one.text for one in written})
    assert zh.avg_logprob == max((one for one in written if not one.adapted), key=_likeliest).avg_logprob
    best = [max((one for one in written if one.text == text), key=_likeliest) for text in texts[1:]]
    assert best == sorted(best, key=_likeliest, reverse=True)
    assert [other.avg_logprob for other in zh.alternatives] == [one.avg_logprob for one in best]
    assert len(texts) > 1


def _likeliest(one: Hypothesis) -> tuple[bool, float]:
    return not (one.looping or one.hasty or one.doubled), one.plausibility


LIMIT = 5.0
"""A limit in seconds that fits all clips of the next test."""
BEAM = BeamSearch(beam=3)


def mandarin_clips() -> list[Samples]:
    return [mandarin(end)[-3 * SAMPLE_RATE :] for end in (3.0, 8.0)] + [mandarin(14.0)[-4 * SAMPLE_RATE :]]


def english_clips() -> list[Samples]:
    ends = {"conf-invalidpin": 4, "tt-weasels": 4, "vm-newuser": 3}
    return [speech(name)[: seconds * SAMPLE_RATE] for name, seconds in ends.items()]


@pytest.mark.full
@pytest.mark.parametrize(
    ("model", "language", "of_language"), [("base", "zh", mandarin_clips), ("tiny.en", "en", english_clips)]
)
def test_a_beam_uses_each_clips_own_encoding_in_a_batch(
    model: str, language: str, of_language: Callable[[], list[Samples]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch has more clips than PyTorch decodes at once. Whisper's own search would use one clip for all rows."""
    monkeypatch.setattr(openai_whisper_engine, "ROWS", 2 * BEAM.beam)
    clips = of_language()
    found_weights = whisper_weights.find_weights(Asr(engine="openai-whisper", model=model))
    network = openai_whisper_engine.OpenAIWhisper(model_of(found_weights, "cpu"), 1, {})
    lengths = [len(samples) / SAMPLE_RATE for samples in clips]
    encodings = network.encode([as_trained(log_mel(samples, network.bands), LIMIT) for samples in clips])
    together = network.decode(encodings, language, lengths, LIMIT, BEAM)
    for several, encoding, seconds in zip(together, encodings, lengths, strict=True):
        (alone,) = network.decode([encoding], language, [seconds], LIMIT, BEAM)
        assert [(found.language, found.text) for found in several] == [(language, found.text) for found in alone]
        assert several[0].avg_logprob == pytest.approx(alone[0].avg_logprob, abs=TOLERANCE)
        assert len(several) == BEAM.beam
    assert len({found.text for found, *_ in together}) == len(clips)
