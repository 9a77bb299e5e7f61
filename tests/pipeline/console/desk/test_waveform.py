"""The picture of a clip: its bars, its gain, and clips without a picture."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.console.desk.waveform import BARS_PER_SECOND, outline
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.review.cases.values import Evidence
from pipeline.review.evidence.evidence_store import EvidenceFolder
from pipeline.speech.audio.encode import encode_opus_clip
from tests.builders import NOON
from tests.pipeline.review.voices import tone


@pytest.fixture
def folder(tmp_path: Path) -> EvidenceFolder:
    return EvidenceFolder(tmp_path / "evidence")


def clip(path: str) -> Evidence:
    return Evidence(path=path, case="c", start=NOON, end=NOON + 2, seconds=2.0, bytes=1, sha256="")


def kept(folder: EvidenceFolder, data: bytes) -> Evidence:
    return clip(folder.put("c", NOON, data))


def test_the_bars_follow_the_sound_and_fill_the_picture(folder: EvidenceFolder) -> None:
    silence = np.zeros(SAMPLE_RATE, np.float32)
    found = outline(folder, kept(folder, encode_opus_clip(np.concatenate([tone(1.0), silence]))))
    assert found is not None
    assert len(found.peaks) == 2 * BARS_PER_SECOND
    assert max(found.peaks) == 1.0
    assert min(found.peaks[: BARS_PER_SECOND - 1]) > 0.5
    assert max(found.peaks[BARS_PER_SECOND + 1 :]) < 0.1


def test_a_quiet_clip_looks_like_a_loud_one_but_has_more_gain(folder: EvidenceFolder) -> None:
    loud, quiet = (outline(folder, kept(folder, encode_opus_clip(tone(2.0) * level))) for level in (2.0, 0.5))
    assert loud is not None
    assert quiet is not None
    assert max(loud.peaks) == max(quiet.peaks) == 1.0
    assert quiet.gain - loud.gain == pytest.approx(12.04, abs=0.3)


def test_silence_has_flat_bars(folder: EvidenceFolder) -> None:
    found = outline(folder, kept(folder, encode_opus_clip(np.zeros(SAMPLE_RATE, np.float32))))
    assert found is not None
    assert max(found.peaks) < 0.1
    assert found.gain == 0.0


def test_a_clip_that_is_gone_or_broken_has_no_outline(folder: EvidenceFolder) -> None:
    assert outline(folder, clip("2026-01-01/none.ogg")) is None
    assert outline(folder, kept(folder, b"no sound")) is None
    assert outline(folder, kept(folder, b"")) is None
