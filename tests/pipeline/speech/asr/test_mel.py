import numpy as np
import pytest
from whisper.audio import N_FFT, log_mel_spectrogram

from pipeline.speech.asr.mel import log_mel
from tests.pipeline.speech.asr.parts import speech


@pytest.mark.parametrize("bands", [80, 128])
@pytest.mark.parametrize("samples", [16_000, 40_007, 100])
def test_the_spectrogram_equals_whispers_own(bands: int, samples: int) -> None:
    clip = speech("conf-invalidpin")[:samples]
    theirs = log_mel_spectrogram(clip, bands, padding=N_FFT).numpy()[:, : max(1, samples // 160)]
    np.testing.assert_allclose(log_mel(clip, bands), theirs, atol=2e-4)
