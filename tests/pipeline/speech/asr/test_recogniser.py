"""A language that the model does not know is named by its setting. Live speech goes before recordings."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Semaphore

import numpy as np
import pytest

from pipeline.base.cpu_cores import step_back
from pipeline.base.errors import ConfigError
from pipeline.settings import Asr
from pipeline.speech.asr import recogniser
from pipeline.speech.asr.recogniser import (
    Clip,
    HasRoom,
    Recognition,
    SharedRecogniser,
    always_room,
    check_languages,
)
from tests.pipeline.speech.asr.parts import recognition

KNOWN = {"en", "zh", "es"}.__contains__


def complaint(asr: Asr, multilingual: bool) -> str:
    """Return the error of the check; empty if it accepts the settings."""
    try:
        check_languages(asr, KNOWN, multilingual=multilingual)
    except ConfigError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("asr", "multilingual"),
    [
        (Asr(), True),
        (Asr(language="es", languages=("en", "zh")), True),
        (Asr(language="en"), False),
        (Asr(languages=("en", "yue")), False),
    ],
)
def test_known_languages_are_accepted_and_an_english_model_ignores_the_rooms(asr: Asr, multilingual: bool) -> None:
    assert complaint(asr, multilingual) == ""


@pytest.mark.parametrize(
    ("asr", "multilingual", "said"),
    [
        (Asr(language="yue"), True, "asr.language: Whisper does not know 'yue'"),
        (Asr(languages=("en", "yue")), True, "asr.languages: Whisper does not know 'yue'"),
        (Asr(language="zh", model="base.en"), False, "asr.language: base.en knows only English, not 'zh'"),
    ],
)
def test_another_language_is_named_with_its_setting(asr: Asr, multilingual: bool, said: str) -> None:
    assert said in complaint(asr, multilingual)


class Watched:
    """A recogniser that waits until the test lets it go on. The text of a clip is its length."""

    name = "watched/none@00000000"

    def __init__(self) -> None:
        self.begun = list[tuple[str, ...]]()
        self.has_begun, self.go_on = Semaphore(0), Semaphore(0)

    def transcribe(
        self, clips: Sequence[Clip], *, words: bool = False, has_room: HasRoom = always_room
    ) -> list[Recognition]:
        texts = [str(clip.samples.size) for clip in clips]
        self.begun.append((*texts,))
        self.has_begun.release()
        assert self.go_on.acquire(timeout=60)
        return [recognition(text) for text in texts]


def sounds(*sizes: int) -> list[Clip]:
    return [Clip(np.zeros(size, np.float32)) for size in sizes]


def test_a_thread_that_has_stepped_back_transcribes_clip_by_clip_and_others_go_first() -> None:
    watched = Watched()
    shared = SharedRecogniser(watched)
    with ThreadPoolExecutor(1, initializer=step_back) as back, ThreadPoolExecutor(1) as live:
        first = back.submit(shared.transcribe, sounds(1, 2))
        assert watched.has_begun.acquire(timeout=60)
        second = live.submit(shared.transcribe, sounds(3, 4))
        assert watched.has_begun.acquire(timeout=60), "live speech does not wait for the clip"
        watched.go_on.release()
        watched.go_on.release()
        assert [each.text for each in second.result(60)] == ["3", "4"]
        assert watched.has_begun.acquire(timeout=60)
        watched.go_on.release()
        assert [each.text for each in first.result(60)] == ["1", "2"]
    assert watched.begun == [("1",), ("3", "4"), ("2",)]


def test_a_clip_waits_for_others_for_a_limited_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recogniser, "PATIENCE_SECONDS", 0.01)
    watched = Watched()
    shared = SharedRecogniser(watched)
    with ThreadPoolExecutor(1, initializer=step_back) as back, ThreadPoolExecutor(1) as live:
        first = live.submit(shared.transcribe, sounds(1))
        assert watched.has_begun.acquire(timeout=60)
        second = back.submit(shared.transcribe, sounds(2))
        assert watched.has_begun.acquire(timeout=60), "the live call goes on"
        assert not first.done()
        watched.go_on.release()
        watched.go_on.release()
        assert [each.text for each in second.result(60)] == ["2"]
