"""The files that a person means when he names files and folders."""

from collections.abc import Iterable, Sequence
from pathlib import Path

SUFFIXES = frozenset({
    ".3g2", ".3gp", ".aac", ".aif", ".aiff", ".amr", ".asf", ".au", ".avi", ".awb", ".caf", ".flac", ".flv", ".m2ts",
    ".m4a", ".m4b", ".mka", ".mkv", ".mov", ".mp3", ".mp4", ".mpeg", ".mpg", ".mts", ".oga", ".ogg", ".opus", ".snd",
    ".spx", ".ts", ".w64", ".wav", ".webm", ".wma", ".wv",
})  # fmt: skip
"""What is taken from a folder: endings of every format that we open, since a recording passed over in silence would
count as clean. A file named by itself is tried whatever its ending."""


def audio_files(paths: Iterable[Path]) -> list[Path]:
    """Folders as the recordings in them, in order; files as they are, also missing ones; nothing twice."""
    files = (file for path in paths for file in (_inside(path) if path.is_dir() else [path]))
    return list(dict.fromkeys(files))


def seconds_of(files: Sequence[Path]) -> float | None:
    """Length of all together, for a progress bar; None if one does not say."""
    from pipeline.audio.decode import duration_of

    lengths = [duration_of(file) for file in files]
    return sum(length for length in lengths if length) if all(lengths) else None


def _inside(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
