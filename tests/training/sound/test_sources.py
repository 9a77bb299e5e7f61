"""Recordings by kind and source."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.base.errors import InputError
from pipeline.speech.audio.encode import encode_flac
from training.sound.sources import recordings

SECOND = np.linspace(-0.5, 0.5, 16_000, dtype=np.float32)


def put(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_flac(SECOND))


def test_recordings_have_the_kind_and_the_source_of_their_folders(tmp_path: Path) -> None:
    for name in ("speech/ann/b.flac", "speech/ann/a.flac", "music/band/1.flac"):
        put(tmp_path / name)
    found = [(each.kind, each.source, each.name) for each in recordings(tmp_path)]
    assert found == [("music", "band", "1.flac"), ("speech", "ann", "a.flac"), ("speech", "ann", "b.flac")]
    assert all(np.allclose(each.samples, SECOND, atol=1e-4) for each in recordings(tmp_path))


def test_an_empty_folder_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no recordings"):
        [*recordings(tmp_path)]
