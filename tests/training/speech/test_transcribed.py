"""The as-heard set: voices and surroundings are stable, surroundings have their effect, judge.py reads the result."""

from collections import Counter
from pathlib import Path
from shlex import quote

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.errors import ConfigError
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.asr.recogniser import Samples
from pipeline.speech.audio.encode import encode_flac
from training.speech import transcribed
from training.speech.transcribed import Sentence

CLIPS = Path(__file__).parents[2] / "data"
SENTENCE = Sentence("en", "clean", "thank you for calling")


def tone(seconds: float, hertz: float = 220.0) -> Samples:
    return (0.2 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE)).astype(np.float32)


def power(samples: Samples) -> float:
    return float(np.mean(np.square(samples, dtype=np.float64)))


@pytest.fixture(scope="module")
def around(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a room, its direct sound 10 ms late, and a noise."""
    folder = tmp_path_factory.mktemp("noise")
    impulse = np.zeros(1_600, np.float32)
    impulse[[160, 800]] = 0.9, 0.5
    noise = np.random.default_rng(1).normal(0, 0.1, SAMPLE_RATE).astype(np.float32)
    for name, samples in (("rirs_hall", impulse), ("noise_fan", noise)):
        (folder / f"{name}.flac").write_bytes(encode_flac(samples))
    return folder


def test_ids_are_unique_and_every_voice_is_used() -> None:
    sentences = transcribed.sentences()
    assert len({sentence.id for sentence in sentences}) == len(sentences)
    for language, names in transcribed.VOICES.items():
        assert {s.voice for s in sentences if s.language == language} == set(names.split())


def test_two_in_five_are_not_quiet_and_surroundings_are_stable(around: Path) -> None:
    sentences = transcribed.sentences()
    drawn = [transcribed.surroundings(sentence, around) for sentence in sentences]
    kinds = Counter(where.kind for where in drawn)
    assert set(kinds) == set(transcribed.SURROUNDINGS)
    assert 0.35 < 1 - kinds["quiet"] / len(sentences) < 0.45
    assert all(5 <= where.snr <= 20 for where in drawn)
    assert drawn[::-1] == [transcribed.surroundings(sentence, around) for sentence in sentences[::-1]]


@given(st.floats(5, 20), st.floats(0.01, 0.9))
def test_noise_has_the_given_signal_to_noise_ratio(snr: float, loudness: float) -> None:
    speech, noise = tone(1), np.random.default_rng(2).normal(0, loudness, 5_000).astype(np.float32)
    added = transcribed.noisy(speech, noise, snr) - speech
    assert 10 * np.log10(power(speech) / power(added)) == pytest.approx(snr, abs=0.01)


def test_a_room_keeps_delay_length_and_loudness() -> None:
    speech = np.concatenate([np.zeros(500, np.float32), tone(0.5)])
    late = np.zeros(400, np.float32)
    late[160] = -0.3
    alone = transcribed.reverberated(speech, late)
    assert np.allclose(np.abs(alone), np.abs(speech), atol=1e-4)
    late[300] = 0.2
    echoed = transcribed.reverberated(speech, late)
    assert len(echoed) == len(speech)
    assert power(echoed) == pytest.approx(power(speech), rel=1e-3)
    assert np.abs(np.abs(echoed) - np.abs(speech)).max() > 0.01


def test_no_sample_exceeds_full_scale(around: Path) -> None:
    where = transcribed.Surroundings("room and noise", around / "rirs_hall.flac", around / "noise_fan.flac", 0.0, 0.5)
    loud = transcribed.among(5 * tone(1), where)
    assert loud.dtype == np.float32
    assert np.abs(loud).max() <= 1


def test_a_folder_without_noises_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"no noise_\\* in {tmp_path}"):
        transcribed.surroundings(SENTENCE, tmp_path)


def test_missing_recordings_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"1 of 1 recordings .* {SENTENCE.id}.flac"):
        transcribed.speak([SENTENCE], tmp_path, None)
    with pytest.raises(ConfigError, match="status 3"):
        transcribed.speak([SENTENCE], tmp_path, "exit 3")


def test_the_command_makes_only_missing_recordings(tmp_path: Path) -> None:
    there = Sentence("en", "clean", "already there")
    (tmp_path / f"{there.id}.flac").touch()
    log = tmp_path / "asked"
    command = f"tee {quote(str(log))} | cut -f1 | xargs touch"
    transcribed.speak([there, SENTENCE], tmp_path, command)
    assert log.read_text() == f"{tmp_path / SENTENCE.id}.flac\ten\t{SENTENCE.voice}\t{SENTENCE.text}\n"


@pytest.mark.weights
@pytest.mark.filterwarnings("ignore:unclosed file .*english.json:ResourceWarning")  # Whisper leaves the file open.
def test_recordings_are_transcribed_and_read_by_the_judges_benchmark(tmp_path: Path, around: Path) -> None:
    from benchmarks.judging.cases import transcribed as pairs

    said = Sentence("en", "privacy", "password incorrect")
    transcribed.speak([said], tmp_path, f"cut -f1 | xargs cp {quote(str(CLIPS / 'auth-incorrect.flac'))}")
    rows = transcribed.hear(transcribed.listener({"model": "tiny.en", "language": "en"}), [said], tmp_path, around)
    transcribed.write(rows, tmp_path / "en.tsv")
    (pair,) = pairs(tmp_path / "en.tsv")
    assert pair.read.text == said.text
    assert "incorrect" in pair.transcribed.text
    assert pair.transcribed.labels["privacy"] == 1
    table = transcribed.rates(tmp_path)
    assert [*table.columns[0].cells] == ["en", "en"]
