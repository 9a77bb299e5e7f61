"""Find the recordings for the paths that a user gives: files, folders, pipes and `-`."""

import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copyfileobj
from typing import Annotated, BinaryIO

import typer

from pipeline.base.errors import AudioError, InputError

# The file name endings of recordings in a folder. They cover every format that we can open, because a recording that is
# skipped without a message would count as clean. A file that is named directly is opened whatever its ending is.
SUFFIXES = frozenset({
    ".3g2", ".3gp", ".aac", ".aif", ".aiff", ".amr", ".asf", ".au", ".avi", ".awb", ".caf", ".flac", ".flv", ".m2ts",
    ".m4a", ".m4b", ".mka", ".mkv", ".mov", ".mp3", ".mp4", ".mpeg", ".mpg", ".mts", ".oga", ".ogg", ".opus", ".snd",
    ".spx", ".ts", ".w64", ".wav", ".webm", ".wma", ".wv",
})  # fmt: skip

STDIN = Path("-")


def path_of(text: str) -> Path:
    """Return the path that an argument names. An empty one would be the whole folder in which the user is."""
    if not text:
        raise typer.BadParameter("a path is empty")
    return Path(text)


RecordingPaths = Annotated[
    list[Path],
    typer.Argument(help="Recordings, folders or pipes; - is standard input.", show_default=False, parser=path_of),
]
"""The recordings that a command takes."""


@dataclass(frozen=True, slots=True)
class Named:
    """The files to read. A file that is a copy of a pipe also has the pipe's name in `names`."""

    files: list[Path]
    names: dict[Path, str] = field(default_factory=dict)

    def errors(self) -> dict[str, AudioError]:
        """Return the errors of files that cannot be opened, by name. This takes a second, before a model is loaded."""
        from pipeline.speech.audio.decode import size_of

        found: dict[str, AudioError] = {}
        for file in self.files:
            try:
                size_of(file, self.names.get(file))
            except AudioError as error:
                found[self.names.get(file, str(file))] = error
        return found


@contextmanager
def recordings(paths: Sequence[Path]) -> Iterator[Named]:
    """Give the files of `audio_files`. Pipes and standard input are copied to files.

    Raises InputError if there is no file, or if a pipe cannot be copied.
    """
    files = audio_files(paths)
    if not files:
        raise InputError(f"No recordings in {', '.join(map(str, paths))}", "Name a file, or a folder with recordings.")
    with tempfile.TemporaryDirectory(prefix="voxwarden-") as folder:  # a decoder must seek, which a pipe cannot
        copies = {file: Path(folder) / str(at) for at, file in enumerate(files) if file == STDIN or file.is_fifo()}
        for pipe, copy in copies.items():
            _copy(pipe, copy)
        yield Named([copies.get(file, file) for file in files], {copy: str(pipe) for pipe, copy in copies.items()})


def audio_files(paths: Iterable[Path]) -> list[Path]:
    """Return the recordings in each folder, in order, and each file, also a missing one. No file comes twice."""
    files = (file for path in paths for file in (_inside(path) if path.is_dir() else [path]))
    return list(dict.fromkeys(files))


def seconds_of(files: Sequence[Path]) -> float | None:
    """Return the total length of the files in seconds for a progress bar; None if the length of one is unknown."""
    from pipeline.speech.audio.decode import duration_of

    lengths = [duration_of(file) for file in files]
    return sum(length for length in lengths if length) if all(lengths) else None


def _copy(pipe: Path, copy: Path) -> None:
    try:
        with copy.open("wb") as file:
            if pipe == STDIN:
                copyfileobj(_stdin(), file)
            else:
                with pipe.open("rb") as source:
                    copyfileobj(source, file)
    except OSError as error:
        raise InputError(
            f"{pipe} cannot be copied to {copy.parent.parent}: {error.strerror}", "Set TMPDIR to a larger folder."
        ) from error


def _stdin() -> BinaryIO:
    if sys.stdin.isatty():
        raise InputError("Standard input is the keyboard", "Pipe a recording in: voxwarden moderate - < call.wav.")
    return sys.stdin.buffer


def _inside(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
