from pathlib import Path

import numpy as np
import pytest

from pipeline.base.errors import AudioError
from pipeline.contract.messages import AudioChunk
from pipeline.speech.audio.files import chunks_of
from pipeline.speech.audio.frames import StreamDecoder
from tests.pipeline.speech.audio.sound import DATA, clip, recording


def test_a_file_becomes_chunks_of_one_second() -> None:
    chunks = list(chunks_of(DATA / "auth-incorrect.flac", "lobby", "ann", "game", start=100.0))
    assert [chunk.start for chunk in chunks] == [100, 101, 102, 103, 104]
    assert [chunk.sequence for chunk in chunks] == [0, 1, 2, 3, 4]
    assert [chunk.final for chunk in chunks] == [False] * 4 + [True]
    assert {(chunk.room, chunk.speaker, chunk.room_type) for chunk in chunks} == {("lobby", "ann", "game")}
    assert np.array_equal(np.concatenate(list(map(StreamDecoder().decode, chunks))), clip("auth-incorrect"))


def test_a_damaged_file_gives_a_final_chunk_before_the_error(tmp_path: Path) -> None:
    whole = recording(clip("auth-incorrect"), "flac", "flac")
    (path := tmp_path / "cut.flac").write_bytes(whole[: len(whole) // 2])
    taken: list[AudioChunk] = []
    with pytest.raises(AudioError, match=r"cut\.flac is incomplete"):
        taken.extend(chunks_of(path, "r", "s"))
    assert [chunk.final for chunk in taken] == [False] * (len(taken) - 1) + [True]
    assert len(taken) >= 2


def test_a_missing_file_gives_no_chunk(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="There is no file"):
        next(chunks_of(tmp_path / "missing.wav", "r", "s"))
