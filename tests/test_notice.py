"""NOTICE names every shipped file that may be the work of others, and no file that does not exist."""

import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[1]
WRITTEN_HERE = {
    "",
    ".dockerignore",
    ".html",
    ".mako",
    ".md",
    ".py",
    ".sh",
    ".toml",
    ".txt",
    ".typed",
    ".xml",
    ".yaml",
    ".yml",
}
"""Suffixes of code, settings and prose. Files of any other kind need a line in NOTICE, also those of our own."""


def named() -> list[str]:
    """The paths in NOTICE; folders end with a slash."""
    lines = (ROOT / "NOTICE").read_text("utf-8").splitlines()
    return [line.removeprefix("* ") for line in lines if line.startswith("* ")]


def shipped() -> Iterator[PurePosixPath]:
    """Every file of the repository in a folder, relative to the root, without what git ignores."""
    ignored = [line.strip("/") for line in (ROOT / ".gitignore").read_text("utf-8").split()]
    for path in ROOT.glob("[!.]*/**/*"):
        place = path.relative_to(ROOT)
        if path.is_file() and not any(fnmatch(part, name) for part in place.parts for name in ignored):
            yield PurePosixPath(place)


def unnamed(files: Iterator[PurePosixPath], paths: list[str]) -> list[str]:
    """Files that need a line in NOTICE and have none."""
    kinds = (str(file) for file in files if file.suffix not in WRITTEN_HERE and not file.name.startswith("."))
    return [file for file in kinds if not any(file == path or covers(path, file) for path in paths)]


def covers(path: str, file: str) -> bool:
    return path.endswith("/") and file.startswith(path)


def test_every_file_that_may_be_the_work_of_others_is_named() -> None:
    missing = unnamed(shipped(), named())
    assert not missing, f"Name these files in NOTICE, with their licence or as our own: {missing}"


def test_a_new_script_or_font_is_missed() -> None:
    files = ["pipeline/review/console/static/chart.js", "pipeline/review/console/static/inter.woff2"]
    assert unnamed(map(PurePosixPath, files), named()) == files


def test_every_path_that_is_named_exists() -> None:
    for path in named():
        assert (ROOT / path).is_dir() if path.endswith("/") else (ROOT / path).is_file(), path


def test_the_walk_sees_what_ships() -> None:
    files = {str(file) for file in shipped()}
    assert {"pipeline/judge/model/model.onnx", "tests/data/refs.tsv", "configs/labels.yaml"} <= files


def test_the_package_has_the_licence_and_the_notice() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert set(project["license-files"]) == {"LICENSE", "NOTICE"}
    assert all((ROOT / name).is_file() for name in project["license-files"])
