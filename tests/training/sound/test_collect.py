"""Recordings are cut from downloaded packages."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.base.errors import InputError
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.audio.decode import samples_of
from pipeline.speech.audio.encode import encode_flac
from training.sound import collect
from training.sound.collect import Limits, Source, sources
from training.sound.sources import KINDS


def source(files: str) -> Source:
    return Source("validate", "music", "game", files, "CC0")


def test_each_source_of_the_table_is_on_one_side() -> None:
    validate, test = sources("validate"), sources("test")
    assert {each.kind for each in validate} == {each.kind for each in test} == {*KINDS}
    assert not {each.name for each in validate} & {each.name for each in test}
    assert not {each.files for each in validate} & {each.files for each in test}
    assert all(each.licence for each in validate + test)


def test_the_middle_of_long_files_is_taken_and_damaged_files_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collect, "FEW", Limits(2 * SAMPLE_RATE, 9 * SAMPLE_RATE, 9))
    folder = tmp_path / "package" / "share"
    folder.mkdir(parents=True)
    sound = (0.5 * np.sin(np.arange(6 * SAMPLE_RATE) ** 1.5 / 1e5)).astype(np.float32)
    (folder / "a.flac").write_bytes(encode_flac(sound))
    (folder / "b.flac").write_bytes(b"damaged")
    (folder / "c.flac").write_bytes(encode_flac(sound[:SAMPLE_RATE]))
    total = collect.collect(source("package/**/*.flac"), tmp_path, tmp_path / "out")
    assert total == 3 * SAMPLE_RATE
    first, second = sorted((tmp_path / "out" / "music" / "game").iterdir())
    assert np.allclose(samples_of(first), sound[2 * SAMPLE_RATE : 4 * SAMPLE_RATE], atol=1e-3)
    assert samples_of(second).size == SAMPLE_RATE


def test_only_so_much_of_a_source_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = [SAMPLE_RATE + 1_000 * number for number in range(8)]
    for number, size in enumerate(sizes):
        (tmp_path / f"{number}.flac").write_bytes(encode_flac(np.zeros(size, np.float32)))
    monkeypatch.setattr(collect, "FEW", Limits(9 * SAMPLE_RATE, 9 * SAMPLE_RATE, 4))
    assert collect.collect(source("*.flac"), tmp_path, tmp_path / "out") == sum(sizes[::2])
    monkeypatch.setattr(collect, "FEW", Limits(9 * SAMPLE_RATE, 2 * SAMPLE_RATE, 9))
    assert collect.collect(source("*.flac"), tmp_path, tmp_path / "out") == sum(sizes[:2])


def test_a_source_without_files_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="game: nothing matches"):
        collect.collect(source("nothing/*"), tmp_path, tmp_path)
