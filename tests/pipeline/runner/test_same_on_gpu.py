"""A machine with a GPU gives the same flags as one without. A fake stands for the GPU: the CPU under PyTorch."""

from pathlib import Path

import pytest

from pipeline.base.shared_models import SharedModels
from pipeline.contract.messages import Flag
from pipeline.judge import classifier
from pipeline.runner.moderator import Moderator
from pipeline.speech.asr import openai_whisper_engine, recogniser
from pipeline.speech.languages.writing_systems import tokens_of

DEMO = sorted((Path(__file__).parents[3] / "pipeline" / "runner" / "demo").glob("*.ogg"))
DATA = Path(__file__).parents[2] / "data"
CLIPS = [*DEMO, *sorted(DATA.glob("*.flac")), *sorted((DATA / "mandarin").glob("*.flac"))]
SAME_TEXTS = 0.8
"""The share of utterances with the same words. CTranslate2 rounds weights to 8 bits, so unclear words may differ. How
it rounds depends on the processor.
"""


def flags() -> list[Flag]:
    moderator = Moderator({"asr": {"download": False}})
    return [flag for path in CLIPS for flag in moderator.file(path).utterances]


@pytest.mark.weights
@pytest.mark.full
@pytest.mark.timeout(400)
def test_a_gpu_gives_the_same_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    on_cpu = flags()
    for module in (recogniser, classifier):
        monkeypatch.setattr(module, "find_device", lambda name: "cpu:0")
    monkeypatch.setattr(classifier, "_shelf", SharedModels())
    monkeypatch.setattr(openai_whisper_engine, "batches_for", lambda device: (64, 64))
    on_gpu = flags()
    assert [_verdict(flag) for flag in on_gpu] == [_verdict(flag) for flag in on_cpu]
    assert {flag.suggestion for flag in on_cpu} >= {"pass", "review"}, "or the comparison says little"
    same = sum(_words(one) == _words(other) for one, other in zip(on_cpu, on_gpu, strict=True))
    assert same >= SAME_TEXTS * len(on_cpu), f"{same} of {len(on_cpu)} texts"


def _words(flag: Flag) -> list[str]:
    """The words without marks: at the same pause, one engine writes a comma, and the other one a full stop."""
    return [word[0].lower() for word in tokens_of(flag.text)]


def _verdict(flag: Flag) -> tuple[object, ...]:
    return flag.utterance, flag.start, flag.language, flag.suggestion, flag.flagged
