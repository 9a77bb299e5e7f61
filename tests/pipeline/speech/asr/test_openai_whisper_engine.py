"""The encoder is Whisper's own for 30 s. Shorter clips need less work, also in a batch of different lengths.

The branches for a GPU run on the CPU: a fake tells its memory, and float16 is computed slowly.
"""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.settings import Asr
from pipeline.speech.asr import openai_whisper_engine, whisper_weights
from pipeline.speech.asr.openai_whisper_engine import OpenAIWhisper, Sizes, batches_for, encode_clips, types_for
from pipeline.speech.asr.openai_whisper_weights import model_of
from pipeline.speech.asr.recogniser import Clip, Recogniser
from pipeline.speech.asr.whisper_recogniser import WhisperRecogniser
from tests.pipeline.speech.asr.models import little_whisper
from tests.pipeline.speech.asr.parts import plain, speech

LENGTHS = (3_000, 1_501, 200, 2)
"""Frames of clips."""
NAMES = ("conf-invalidpin", "tt-weasels", "vm-newuser", "dir-nomatch")


def mels(*frames: int) -> list[torch.Tensor]:
    random = torch.Generator().manual_seed(1)
    return [torch.randn(80, each, generator=random) for each in frames]


def test_a_clip_of_30_seconds_is_encoded_as_by_whisper() -> None:
    encoder, clips = little_whisper().encoder, mels(3_000, 3_000)
    with torch.inference_mode():
        found = torch.stack(encode_clips(encoder, clips))
        torch.testing.assert_close(found, encoder(torch.stack(clips)), rtol=1e-4, atol=1e-5)


def test_a_clip_is_encoded_in_a_batch_as_alone() -> None:
    """It has one position for two frames."""
    encoder, clips = little_whisper().encoder, mels(*LENGTHS)
    with torch.inference_mode():
        together = encode_clips(encoder, clips)
        for clip, found in zip(clips, together, strict=True):
            (alone,) = encode_clips(encoder, [clip])
            assert found.shape == (-(-clip.shape[1] // 2), 8)
            torch.testing.assert_close(found, alone, rtol=1e-4, atol=1e-5)


def tiny_on(
    monkeypatch: pytest.MonkeyPatch, *types: torch.dtype, batch: int = openai_whisper_engine.MANY
) -> Recogniser:
    """A small model as on a GPU: one worker, batches of all clips, and these types of encoder and decoder."""
    monkeypatch.setattr(openai_whisper_engine, "types_for", lambda device: types)
    monkeypatch.setattr(openai_whisper_engine, "batches_for", lambda device: (batch, batch))
    found = whisper_weights.find_weights(Asr(model="tiny.en", download=False))
    return WhisperRecogniser(OpenAIWhisper(model_of(found, "cpu"), 1, {}), "tiny")


def heard(recogniser: Recogniser) -> list[str]:
    noise = np.random.default_rng(1).normal(0, 0.1, SAMPLE_RATE).astype(np.float32)
    clips = [Clip(noise), *(Clip(speech(name)) for name in NAMES)]
    return [plain(found.text) for found in recogniser.transcribe(clips)[1:]]


@pytest.mark.full
@pytest.mark.weights
def test_clips_of_all_lengths_have_the_same_texts_together_as_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    single = torch.float32
    monkeypatch.setattr(openai_whisper_engine, "ROWS", 64)
    together, alone = tiny_on(monkeypatch, single, single), tiny_on(monkeypatch, single, single, batch=1)
    texts = heard(together)
    assert texts == heard(alone)
    assert "weasels have eaten our phone system" in texts


@pytest.mark.full
@pytest.mark.weights
def test_float16_gives_the_same_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    half = torch.float16
    gpu = torch.device("cuda")
    assert (types_for(gpu), min(batches_for(gpu))) == ((half, half), openai_whisper_engine.MANY)
    single = heard(tiny_on(monkeypatch, torch.float32, torch.float32))
    assert heard(tiny_on(monkeypatch, half, half)) == single


@pytest.mark.full
@pytest.mark.weights
def test_a_batch_for_which_the_memory_is_too_small_is_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fake has memory for two clips. The texts stay the same."""
    recogniser, sizes = tiny_on(monkeypatch, torch.float32, torch.float32), list[int]()
    texts, encode = heard(recogniser), encode_clips

    def scarce(encoder: object, clips: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        sizes.append(len(clips))
        if len(clips) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 GiB.")
        return encode(encoder, clips)

    monkeypatch.setattr(openai_whisper_engine, "encode_clips", scarce)
    monkeypatch.setattr(openai_whisper_engine, "most_at_once", lambda device, size, on_cpu: 5)
    assert heard(recogniser) == texts
    assert sizes[:4] == [5, 2, 2, 1]


def test_larger_models_and_longer_clips_take_more_memory() -> None:
    small, large = Sizes(little_whisper().dims), Sizes(little_whisper(vocabulary=51865).dims)
    assert small.encoding(5.0) < small.encoding(30.0)
    assert small.decoding(5.0, 1) < small.decoding(5.0, 5) < small.decoding(30.0, 5)
    assert small.decoding(5.0, 5) < large.decoding(5.0, 5)
