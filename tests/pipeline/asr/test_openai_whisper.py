"""The engine on real weights and human speech."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.asr.fallback import is_suspicious
from pipeline.asr.openai_whisper import device_of, load
from pipeline.asr.transcriber import MAX_SAMPLES, Clip, Samples, Transcriber
from pipeline.audio.decode import read_file
from pipeline.errors import ConfigError
from pipeline.messages import SAMPLE_RATE
from pipeline.settings import Asr
from tests.pipeline.asr.models import little_whisper, save_pt
from tests.pipeline.asr.parts import DATA, plain, speech

TOLERANCE = 1e-3
"""Matrix products of another batch size round otherwise; seen: 2e-6 of a mean log-probability on CPU."""

pytestmark = pytest.mark.weights


def mandarin(seconds: float = 6.0) -> Samples:
    """The first words of the bundled tea house."""
    path = DATA.parents[1] / "pipeline" / "demo" / "teahouse-lin.ogg"
    return np.concatenate(list(read_file(path)))[: round(seconds * SAMPLE_RATE)]


def test_the_words_of_human_speech(tiny: Transcriber) -> None:
    names = ("conf-invalidpin", "tt-weasels")
    heard = tiny.transcribe([Clip(speech(name)) for name in names])
    assert [plain(found.text) for found in heard] == [
        "that pin is invalid for this conference",
        "weasels have eaten our phone system",
    ]
    for found in heard:
        assert found.language == "en"
        assert found.avg_logprob > -1
        assert found.no_speech < 0.2
        assert found.words == ()


def test_neither_neighbours_nor_place_change_what_is_heard(tiny: Transcriber) -> None:
    """A clip alone, beside a longer one, and beside noise that the decoder stumbles over."""
    clip, long = Clip(speech("conf-invalidpin")), Clip(speech("vm-newuser"))
    noise = Clip(np.random.default_rng(1).normal(0, 0.1, SAMPLE_RATE).astype(np.float32))
    (alone,) = tiny.transcribe([clip])
    *_, found = tiny.transcribe([noise, long, clip])
    assert found.text == alone.text
    assert found.avg_logprob == pytest.approx(alone.avg_logprob, abs=TOLERANCE)
    assert found.no_speech == pytest.approx(alone.no_speech, abs=TOLERANCE)


def test_the_same_again(tiny: Transcriber) -> None:
    """Also where the fallback draws lots."""
    noise = Clip(np.random.default_rng(2).normal(0, 0.2, SAMPLE_RATE).astype(np.float32))
    assert tiny.transcribe([noise]) == tiny.transcribe([noise])


def test_word_times(tiny: Transcriber) -> None:
    samples = speech("conf-invalidpin")
    (heard,) = tiny.transcribe([Clip(samples)], words=True)
    assert plain(" ".join(word.text for word in heard.words)) == plain(heard.text)
    times = [time for word in heard.words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert 0 <= times[0] < times[-1] <= len(samples) / SAMPLE_RATE
    assert all(0 < word.probability <= 1 for word in heard.words)


def test_languages_are_heard_in_one_batch(base: Transcriber) -> None:
    asked: list[dict[str, float]] = []

    def tell(probabilities: object) -> str:
        asked.append(dict(probabilities))  # type: ignore[call-overload]
        return max(asked[-1], key=lambda language: asked[-1][language])

    clips = [Clip(mandarin(), tell=tell), Clip(speech("dir-nomatch"), tell=tell), Clip(speech("tt-weasels"), "en")]
    zh, en, fixed = base.transcribe(clips)
    assert [zh.language, en.language, fixed.language] == ["zh", "en", "en"]
    assert [round(probabilities[code], 6) for probabilities, code in zip(asked, ("zh", "en"), strict=True)] == [
        round(zh.language_probability, 6),
        round(en.language_probability, 6),
    ]
    assert fixed.language_probability == 1
    assert plain(en.text) == "no directory entries match your search"
    assert sum(letter in zh.text for letter in "大家晚上好聊天室") >= 6


def test_no_more_than_whisper_hears_at_once(tiny: Transcriber) -> None:
    with pytest.raises(ValueError, match="more than 480000"):
        tiny.transcribe([Clip(np.zeros(MAX_SAMPLES + 1, np.float32))])


def test_a_name_says_engine_model_and_weights(tiny: Transcriber) -> None:
    assert tiny.name == "openai-whisper/tiny.en@1a5afae0"


def test_a_fine_tune_by_path(tmp_path: Path) -> None:
    """Found, checked for shape, and warmed up."""
    save_pt(little_whisper(vocabulary=51865), tmp_path / "ours.pt")
    engine = load(Asr(model=str(tmp_path / "ours.pt"), device="cpu", language="zh"))
    assert engine.name.startswith("openai-whisper/ours@")


@pytest.mark.parametrize(("language", "why"), [("zh", "knows English alone"), ("xx", "knows no 'xx'")])
def test_a_language_that_the_model_lacks(language: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        load(Asr(model="tiny.en", download=False, device="cpu", language=language))


def test_a_device_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match="'cuda:99'"):
        device_of("cuda:99")


@pytest.mark.parametrize(
    ("text", "logprob", "no_speech", "ratio", "suspicious"),
    [
        ("fine", -0.3, 0.1, 1.0, False),
        ("unsure", -1.2, 0.1, 1.0, True),
        ("silence", -1.2, 0.8, 1.0, False),
        ("no " * 9, -0.1, 0.1, 1.0, True),
        ("zipped", -0.1, 0.1, 2.5, True),
    ],
)
def test_what_is_tried_again(text: str, logprob: float, no_speech: float, ratio: float, suspicious: bool) -> None:
    from whisper.decoding import DecodingResult

    result = DecodingResult(
        audio_features=None, language="en", text=text, avg_logprob=logprob, no_speech_prob=no_speech,
        compression_ratio=ratio,
    )  # fmt: skip
    assert is_suspicious(result) is suspicious
