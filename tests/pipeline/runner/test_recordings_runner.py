"""Each utterance of a recording is judged, skipped or failed: with a scripted recogniser, and else real stages."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from typer.testing import CliRunner

from agents.commands.command_line import app
from pipeline.base.metrics import Metrics
from pipeline.contract.messages import Flag
from pipeline.runner.moderator import Moderator
from pipeline.runner.recordings_runner import FileReport, Recordings
from pipeline.settings import Settings
from pipeline.speech.asr import recogniser
from pipeline.speech.asr import transcribe_stage as stage
from pipeline.speech.asr.recogniser import Clip, HasRoom, Recognition, always_room
from pipeline.speech.audio.encode import encode_flac
from tests.pipeline.speech.asr.parts import recognition
from tests.pipeline.speech.audio.sound import clip, silence

Fate = Literal["judged", "skipped", "failed"]

THREAT = "I will kill you."


class Fated:
    """A recogniser that hears another language, or a threat, or fails: in the order in which clips first come."""

    name = "scripted/none@00000000"

    def __init__(self, fates: Sequence[Fate]) -> None:
        self._fates, self._known = iter(fates), dict[bytes, Fate]()

    def transcribe(
        self, clips: Sequence[Clip], *, words: bool = False, has_room: HasRoom = always_room
    ) -> list[Recognition]:
        fates = [self._fate(clip.samples.tobytes()) for clip in clips]
        if "failed" in fates:
            raise ValueError("this clip breaks the recogniser")
        return [recognition(THREAT, language="fr" if fate == "skipped" else "en") for fate in fates]

    def _fate(self, samples: bytes) -> Fate:
        if samples not in self._known:
            self._known[samples] = next(self._fates)
        return self._known[samples]


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three utterances."""
    pieces = [each for name in ("tt-weasels", "vm-newuser", "auth-incorrect") for each in (clip(name), silence(3))]
    (path := tmp_path_factory.mktemp("talk") / "talk.flac").write_bytes(encode_flac(np.concatenate(pieces)))
    return path


def fated(monkeypatch: pytest.MonkeyPatch, *fates: Fate) -> None:
    made = Fated(fates)
    for module in (stage, recogniser):
        monkeypatch.setattr(module, "load_recogniser", lambda asr: made)


@pytest.mark.parametrize("fates", [*product(("judged", "skipped", "failed"), repeat=3)], ids="-".join)
async def test_each_utterance_ends_once(monkeypatch: pytest.MonkeyPatch, talk: Path, fates: tuple[Fate, ...]) -> None:
    fated(monkeypatch, *fates)
    found = [each async for each in Recordings([talk], Settings(), Metrics())]
    report = found.pop()
    assert isinstance(report, FileReport)
    assert all(isinstance(each, Flag) for each in found)
    assert report.utterances == len(found) == fates.count("judged")
    assert report.skipped == ({"fr": fates.count("skipped")} if "skipped" in fates else {})
    assert (report.error is not None) == ("failed" in fates)
    assert report.suggestion == ("review" if "judged" in fates else None)


def test_the_command_flags_a_threat_after_another_language(monkeypatch: pytest.MonkeyPatch, talk: Path) -> None:
    fated(monkeypatch, *("skipped", "judged", "judged"))
    result = CliRunner().invoke(app, ["moderate", str(talk), "--format", "jsonl", "--fail-on", "review"])
    assert result.exit_code == 1
    assert [line.split('"', 4)[3] for line in result.stdout.splitlines()] == ["utterance", "utterance", "file"]
    assert "1 utterances are in the language fr" in result.stderr


def test_the_library_reports_a_recording_in_another_language(monkeypatch: pytest.MonkeyPatch, talk: Path) -> None:
    fated(monkeypatch, *("skipped",) * 3)
    found = Moderator().file(talk)
    assert (found.utterances, found.suggestion, found.error) == ((), None, None)
    assert found.speech_seconds > 5
