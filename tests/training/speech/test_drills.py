"""`python -m training.speech.drills` keeps the recordings of drills in step with their sentences."""

from pathlib import Path
from shlex import quote

import pytest

from pipeline.assessment import drill_speech
from pipeline.speech.audio.decode import samples_of
from training.speech import drills

CLIP = Path(__file__).parents[2] / "data" / "auth-incorrect.flac"


def test_missing_recordings_are_made_and_others_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, log = tmp_path / "out", tmp_path / "asked"
    monkeypatch.setattr(drill_speech, "RECORDINGS", out)
    out.mkdir()
    first, *others = drills.shipped_lines()
    kept = drill_speech.recording(first)
    for file in (kept, out / "zh-000000000000.ogg"):
        file.touch()
    copy = f"tee {quote(str(log))} | cut -f1 | xargs -n1 cp {quote(str(CLIP))}"
    assert drills.make(tmp_path / "audio", copy) == len(others)
    assert {*out.iterdir()} == {kept, *map(drill_speech.recording, others)}
    assert kept.stat().st_size == 0
    assert len(samples_of(drill_speech.recording(others[0]))) > 0
    asked = [line.split("\t") for line in log.read_text("utf-8").splitlines()]
    assert {text for *_, text in asked} == {line.text for line in others}
    for _, language, voice, _ in asked:
        assert voice in drills.VOICES[language]
    assert {voice for _, _, voice, _ in asked} == {voice for voices in drills.VOICES.values() for voice in voices}
