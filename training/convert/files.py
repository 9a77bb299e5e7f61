"""Reads the files of public sets: CSV, JSON and XLSX, also inside a ZIP archive."""

import csv
import io
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import digits
from typing import IO, Any
from xml.etree import ElementTree
from zipfile import BadZipFile, ZipFile

import msgspec

from pipeline.base.errors import ConfigError

SHEET = re.compile(r"xl/worksheets/sheet\d+\.xml")
WORKBOOK = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
Cells = Mapping[str, object]
"""A row of a converted set, by column."""
STRINGS = "xl/sharedStrings.xml"
MOST_CHARACTERS = 220
"""The longest English utterance: about 15 s of speech."""


def found(folder: Path, pattern: str) -> list[Path]:
    """The files of a download that match `pattern`, at any depth, in order; raises ConfigError if there are none."""
    if paths := sorted(folder.rglob(pattern)):
        return paths
    raise ConfigError(f"No file {pattern} in {folder}", "docs/learning.md says where each set is.")


def table(path: Path, delimiter: str = ",", encoding: str = "utf-8-sig") -> Iterator[dict[str, str]]:
    """The rows of a CSV file as dicts; raises ConfigError if it is not text in `encoding`."""
    try:
        with path.open(encoding=encoding, newline="") as file:
            yield from csv.DictReader(file, delimiter=delimiter)
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path} is not a table in {encoding}: {error}", "Download the file again.") from error


def lines(path: Path) -> list[str]:
    return [line for line in path.read_text("utf-8-sig").splitlines() if line.strip()]


def document(path: Path) -> Any:
    """The content of a JSON file, or of the only file in a ZIP archive; raises ConfigError."""
    try:
        return msgspec.json.decode(_only(path) if path.suffix == ".zip" else path.read_bytes())
    except (msgspec.DecodeError, BadZipFile) as error:
        raise ConfigError(f"{path} is not JSON: {error}", "Download the file again.") from error


def sheets(workbook: Path | IO[bytes]) -> Iterator[dict[str, str]]:
    """The rows of all sheets of an XLSX workbook, by the names in the first row of each sheet; raises ConfigError."""
    try:
        yield from _sheets(ZipFile(workbook))
    except (BadZipFile, LookupError, ValueError, ElementTree.ParseError) as error:
        raise ConfigError(f"This is not an XLSX workbook: {error}", "Download the file again.") from error


def unzipped(path: Path, suffix: str) -> Iterator[io.BytesIO]:
    """The files in a ZIP archive whose names end in `suffix`, in order."""
    with ZipFile(path) as archive:
        for name in sorted(name for name in archive.namelist() if name.endswith(suffix)):
            yield io.BytesIO(archive.read(name))


def one_in(count: int, key: str) -> bool:
    """True for a share 1 / `count` of all keys, the same ones on every machine."""
    return zlib.crc32(key.encode()) % count == 0


def _only(path: Path) -> bytes:
    (content,) = unzipped(path, ".json")
    return content.read()


def _sheets(archive: ZipFile) -> Iterator[dict[str, str]]:
    strings = [_text(item) for item in _xml(archive, STRINGS)]
    for name in sorted(filter(SHEET.fullmatch, archive.namelist())):
        rows = [_cells(row, strings) for row in _xml(archive, name).iter(f"{WORKBOOK}row")]
        for row in rows[1:]:
            yield {rows[0][column]: value for column, value in row.items() if column in rows[0]}


def _cells(row: ElementTree.Element, strings: list[str]) -> Mapping[str, str]:
    """The texts of a row by the letters of their column."""
    return {
        cell.get("r", "").rstrip(digits): strings[int(cell.findtext(f"{WORKBOOK}v", ""))]
        for cell in row
        if cell.get("t") == "s"
    }


def _text(item: ElementTree.Element) -> str:
    return "".join(part.text or "" for part in item.iter(f"{WORKBOOK}t"))


def _xml(archive: ZipFile, name: str) -> ElementTree.Element:
    return ElementTree.fromstring(archive.read(name))  # noqa: S314  # expat limits the growth of entities
