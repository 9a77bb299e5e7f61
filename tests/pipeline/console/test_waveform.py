"""The picture of a clip: its outline, its gain, and clips without a picture."""

import re
from pathlib import Path

import numpy as np
import pytest

from pipeline.audio.encode import encode_opus_clip
from pipeline.console.waveform import HEIGHT, WIDTH, outline
from pipeline.messages import SAMPLE_RATE
from pipeline.review.cases.values import Evidence
from pipeline.review.evidence.store import EvidenceFolder
from tests.builders import NOON
from tests.pipeline.review.voices import tone

POINT = re.compile(r"[ML](\d+) ([\d.]+)")


@pytest.fixture
def folder(tmp_path: Path) -> EvidenceFolder:
    return EvidenceFolder(tmp_path / "evidence")


def clip(path: str) -> Evidence:
    return Evidence(path=path, case="c", start=NOON, end=NOON + 2, seconds=2.0, bytes=1, sha256="")


def kept(folder: EvidenceFolder, data: bytes) -> Evidence:
    return clip(folder.put("c", NOON, data))


def heights(path: str) -> tuple[list[float], list[float]]:
    """Return the distance of each point from the middle, above and below it, from left to right."""
    points = [(int(x), float(y)) for x, y in POINT.findall(path)]
    assert (points[0], path[-1]) == ((0, HEIGHT / 2), "Z")
    above, below = points[1 : WIDTH + 1], points[WIDTH + 1 :][::-1]
    assert [x for x, _ in above] == [x for x, _ in below] == list(range(WIDTH))
    return [HEIGHT / 2 - y for _, y in above], [y - HEIGHT / 2 for _, y in below]


def test_the_outline_follows_the_sound_and_fills_the_picture(folder: EvidenceFolder) -> None:
    silence = np.zeros(SAMPLE_RATE, np.float32)
    found = outline(folder, kept(folder, encode_opus_clip(np.concatenate([tone(1.0), silence]))))
    assert found is not None
    above, below = heights(found.path)
    assert above == pytest.approx(below)
    assert max(above) == HEIGHT / 2 - 1
    loud, quiet = above[10 : WIDTH // 2 - 10], above[WIDTH // 2 + 10 :]
    assert min(loud) > HEIGHT / 4
    assert max(quiet) < 2


def test_a_quiet_clip_looks_like_a_loud_one_but_has_more_gain(folder: EvidenceFolder) -> None:
    loud, quiet = (outline(folder, kept(folder, encode_opus_clip(tone(2.0) * level))) for level in (2.0, 0.5))
    assert loud is not None
    assert quiet is not None
    assert max(heights(loud.path)[0]) == max(heights(quiet.path)[0]) == HEIGHT / 2 - 1
    assert quiet.gain - loud.gain == pytest.approx(12.04, abs=0.3)


def test_silence_is_a_flat_line(folder: EvidenceFolder) -> None:
    found = outline(folder, kept(folder, encode_opus_clip(np.zeros(SAMPLE_RATE, np.float32))))
    assert found is not None
    assert max(heights(found.path)[0]) < 1
    assert found.gain == 0.0


def test_a_clip_that_is_gone_or_broken_has_no_outline(folder: EvidenceFolder) -> None:
    assert outline(folder, clip("2026-01-01/none.ogg")) is None
    assert outline(folder, kept(folder, b"no sound")) is None
    assert outline(folder, kept(folder, b"")) is None
