"""Round trips: training lines in voices of their own, transcribed, and read by the training."""

from pathlib import Path
from shlex import quote

import pytest

from training.classifier import noise
from training.speech import round_trips, transcribed
from training.speech.transcribed import Sentence

CLIPS = Path(__file__).parents[2] / "data"


def test_each_line_has_its_own_pattern_and_voices() -> None:
    lines = round_trips.lines()
    assert len({line.label for line in lines}) == len(lines)
    assert {line.language for line in lines} == set(transcribed.VOICES)
    for line in lines[:200]:
        one, other = line.voice.split("+")
        assert one != other
        assert {one, other} < set(transcribed.VOICES[line.language].split()) - {"joe"}


@pytest.mark.weights
@pytest.mark.filterwarnings("ignore:unclosed file .*english.json:ResourceWarning")  # Whisper leaves the file open.
def test_training_reads_the_round_trips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = round_trips.TrainingLine("en", "privacy", "Password incorrect!")
    monkeypatch.setattr(round_trips, "lines", lambda: [said])
    monkeypatch.setattr(
        round_trips, "listener", lambda overrides: transcribed.listener(overrides | {"model": "tiny.en"})
    )
    voices = f"cut -f1 | xargs cp {quote(str(CLIPS / 'auth-incorrect.flac'))}"
    round_trips.make(tmp_path / "audio", voices, tmp_path)
    found = noise.round_trips(tmp_path)
    assert list(found) == ["Password incorrect!"]
    always = noise.Noise(misheard=1, written=0, bare=0, real=1)
    (readings,) = found.values()
    assert readings
    assert noise.Mishearing([], always, readings=found)("Password incorrect!") in readings


def test_rooms_and_noises_are_usable_as_surroundings(tmp_path: Path) -> None:
    round_trips.furnish(tmp_path)
    where = transcribed.surroundings(Sentence("en", "clean", "thank you for calling"), tmp_path)
    assert {path.name.split("_")[0] for path in tmp_path.iterdir()} == {"rirs", "noise"}
    assert where == transcribed.surroundings(Sentence("en", "clean", "thank you for calling"), tmp_path)
