"""Data files of installed packages. They are read without an import of the package, because some import PyTorch."""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path


def data_file(package: str, path: str) -> Path | None:
    """The file `path`, relative to site-packages, of `package`; None if the package or the file is not installed."""
    try:
        file = Path(str(distribution(package).locate_file(path)))
    except PackageNotFoundError:
        return None
    return file if file.is_file() else None
