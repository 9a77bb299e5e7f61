"""The sentences of detection drills, and where their sound comes from."""

import asyncio
import shutil
from pathlib import Path

import numpy as np
import pytest

from pipeline.assessment import drill_speech
from pipeline.assessment.drill_speech import DrillLine, send, speech_seconds
from pipeline.base.errors import ConfigError, DependencyError, InputError
from pipeline.base.user_files import configs_folder
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.judge import labels
from tests.agents.gateway.test_gateway_server import BEARER, running

LABELS = set(labels.load_labels(configs_folder() / "labels.yaml").labels)
CLIP = Path(__file__).parents[2] / "data" / "tt-weasels.flac"
SIZE = 2_000_000
"""The most bytes of shipped recordings that a clone should carry."""
PACE = {"en": (8, 25), "zh": (2.5, 8)}
"""The fewest and the most characters of a sentence that are spoken in a second."""
FRAUD = DrillLine("zh-fraud-1", "zh", "fraud", "刷单")


def test_the_shipped_lines_cover_every_label_and_clean_speech_in_each_language() -> None:
    lines = drill_speech.lines_of(drill_speech.book(), {"en": LABELS, "zh": LABELS})
    for language in ("en", "zh"):
        assert {line.label for line in lines if line.language == language} == LABELS | {""}
    assert len({line.name for line in lines}) == len({line.text for line in lines}) == len(lines)


def test_lines_of_labels_that_are_off_and_of_other_languages_are_left_out() -> None:
    lines = drill_speech.lines_of(drill_speech.book(), {"zh": {"fraud"}, "fr": {"fraud"}})
    assert {(line.language, line.label) for line in lines} == {("zh", "fraud"), ("zh", "")}


def test_the_users_file_replaces_the_shipped_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXWARDEN_CONFIG", str(tmp_path / "mine.yaml"))
    (tmp_path / "drills.yaml").write_text("lines: {fr: {fraud: [donne-moi ton code]}}\n", encoding="utf-8")
    (line,) = drill_speech.lines_of(drill_speech.book(), {"fr": {"fraud"}})
    assert line == DrillLine("fr-fraud-1", "fr", "fraud", "donne-moi ton code")
    (tmp_path / "drills.yaml").write_text("line: {}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"drills\.yaml"):
        drill_speech.book()


def test_each_shipped_line_has_a_recording_and_no_other_words_have_one() -> None:
    lines = drill_speech.lines_of(drill_speech.book(), {"en": LABELS, "zh": LABELS})
    files = {*drill_speech.RECORDINGS.iterdir()}
    assert {drill_speech.recording(line) for line in lines} == files
    assert sum(file.stat().st_size for file in files) < SIZE
    for line in lines:
        samples = drill_speech.shipped(line)
        assert samples is not None
        least, most = PACE[line.language]
        assert least < len(line.text) / speech_seconds(samples) < most, line.name
    # The words of a user have no recording, also under the name of a shipped line.
    assert drill_speech.shipped(FRAUD) is None


def test_a_folder_has_recordings_under_the_names_of_the_lines(tmp_path: Path) -> None:
    shutil.copy(CLIP, tmp_path / "zh-fraud-1.flac")
    speak = drill_speech.folder(tmp_path)
    samples = speak(FRAUD)
    assert samples is not None
    assert len(samples) > SAMPLE_RATE
    assert speak(DrillLine("zh-fraud-2", "zh", "fraud", "刷单")) is None


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_a_folder_without_recordings_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="no recordings"):
        drill_speech.folder(tmp_path / name)


def test_silence_at_the_end_is_no_speech() -> None:
    speech, silence = np.full(SAMPLE_RATE, 0.5, np.float32), np.full(SAMPLE_RATE // 2, 0.001, np.float32)
    assert speech_seconds(np.concatenate([silence, speech, silence])) == 1.5
    assert speech_seconds(silence) == 0.0


def test_a_gateway_that_does_not_answer_is_named() -> None:
    with pytest.raises(DependencyError, match=r"127\.0\.0\.1:9"):
        send("ws://127.0.0.1:9", "x" * 16, "drill", "room", np.zeros(16, np.float32))


SECOND = np.zeros(SAMPLE_RATE, np.float32)


async def test_a_gateway_that_refuses_is_quoted() -> None:
    async with running() as place:
        address = f"ws://127.0.0.1:{place.gateway.port}"
        with pytest.raises(DependencyError, match="take the drill: No valid token"):
            await asyncio.to_thread(send, address, "x" * 16, "drill", "room", SECOND)
        assert await asyncio.to_thread(send, address, BEARER, "drill", "room", SECOND) > 0


async def test_a_gateway_that_refuses_the_last_frame_is_quoted() -> None:
    one = SECOND[: drill_speech.FRAME_BYTES // 2]
    async with running(burst_seconds=drill_speech.FRAME_SECONDS / 2) as place:
        address = f"ws://127.0.0.1:{place.gateway.port}"
        with pytest.raises(DependencyError, match="take the drill: Too much audio a second"):
            await asyncio.to_thread(send, address, BEARER, "drill", "room", one)
