"""The file that users download, and files that are not YAMNet."""

import errno
import os
import re
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from pipeline.base import libraries
from pipeline.base.errors import ConfigError
from pipeline.sound.yamnet.network import CLASSES, SAMPLES, Yamnet
from pipeline.speech.audio.resample import Samples
from tests.pipeline.sound.yamnet.networks import write

SCREAMING = 11
LOUD: Samples = np.full(SAMPLES, 0.8, np.float32)
SILENT: Samples = np.zeros(SAMPLES, np.float32)


@pytest.mark.parametrize(
    ("shape", "unsized"),
    [((SAMPLES,), False), ((1, SAMPLES), False), ((SAMPLES,), True)],
    ids=["samples", "a batch of one", "any length"],
)
def test_each_class_has_a_score_whatever_the_form_of_the_input(tmp_path: Path, shape: list[int], unsized: bool) -> None:
    network = Yamnet(write(tmp_path / "yamnet.tflite", [SCREAMING], shape, unsized=unsized))
    loud, silent = network.scores(LOUD), network.scores(SILENT)
    assert loud.shape == (CLASSES,)
    assert np.flatnonzero(loud > 0.5).tolist() == [SCREAMING]
    assert silent.max() < 0.5


def test_scores_do_not_depend_on_the_windows_before(tmp_path: Path) -> None:
    network = Yamnet(write(tmp_path / "yamnet.tflite", [SCREAMING]))
    first = network.scores(SILENT)
    network.scores(LOUD)
    assert np.array_equal(network.scores(SILENT), first)


@pytest.mark.parametrize(("samples", "known"), [(16_000, CLASSES), (SAMPLES, 527)])
def test_another_model_is_refused(tmp_path: Path, samples: int, known: int) -> None:
    path = write(tmp_path / "birds.tflite", shape=(samples,), known=known)
    with pytest.raises(ConfigError, match=r"listen\.yamnet: .*birds\.tflite is not YAMNet"):
        Yamnet(path)


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>" * 9, b"\x1c\x00\x00\x00TFL3" + bytes(64)])
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "yamnet.tflite"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"yamnet\.tflite is damaged, or no model for LiteRT"):
        Yamnet(path)


def test_a_part_of_a_file_is_refused(tmp_path: Path) -> None:
    """A download may break off."""
    path = write(tmp_path / "yamnet.tflite", [SCREAMING])
    whole = path.read_bytes()
    for size in range(0, len(whole), 97):
        path.write_bytes(whole[:size])
        with pytest.raises(ConfigError, match="yamnet"):
            Yamnet(path)


@pytest.mark.parametrize("name", ["yamnet.tflite", "folder", "file/yamnet.tflite"])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=rf"listen\.yamnet: there is no file .*{name}.*docs/sound-events\.md"):
        Yamnet(tmp_path / name)


def test_a_relative_path_is_told_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts from the folder in which the worker starts, which may not be that of the settings."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=f"there is no file {re.escape(str(tmp_path))}/models/yamnet"):
        Yamnet(Path("models/yamnet.tflite"))


def test_a_file_that_may_not_be_read_is_not_called_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "yamnet.tflite")

    def refuse(*_: object) -> NoReturn:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "open", refuse)  # root may read every file
    with pytest.raises(ConfigError, match=r"yamnet\.tflite cannot be read: Permission denied\. Let the user"):
        Yamnet(path)


def test_a_missing_library_is_named_with_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libraries, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"needs ai_edge_litert, .*`pip install ai-edge-litert`") as caught:
        Yamnet(write(tmp_path / "yamnet.tflite"))
    assert "FULL" not in str(caught.value), "a full install does not have it either"
