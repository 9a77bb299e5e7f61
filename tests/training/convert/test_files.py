"""Files of a download are found, read, and refused with their name when they are broken."""

import io
from contextlib import suppress
from pathlib import Path
from zipfile import ZipFile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.errors import ConfigError
from training.convert.files import document, found, one_in, sheets, table, unzipped

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
CELL = st.builds(
    '<c r="{}" t="{}"><v>{}</v></c>'.format,
    st.text("AB1", max_size=2),
    st.sampled_from("sn"),
    st.text("0-9", max_size=2),
)
ROWS = st.lists(CELL, max_size=3).map(lambda cells: f"<row>{''.join(cells)}</row>")
XML = st.one_of(st.text(max_size=20), ROWS.map(f'<x xmlns="{MAIN}"><si><t>a</t></si>{{}}</x>'.format))


def archive(**files: str) -> bytes:
    content = io.BytesIO()
    with ZipFile(content, "w") as zipped:
        for name, text in files.items():
            zipped.writestr(name, text)
    return content.getvalue()


def test_files_are_found_at_any_depth_in_order(tmp_path: Path) -> None:
    for name in ("b.csv", "sub/a.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert found(tmp_path, "*.csv") == [tmp_path / "b.csv", tmp_path / "sub" / "a.csv"]
    with pytest.raises(ConfigError, match=r"No file c\.csv in"):
        found(tmp_path, "c.csv")


def test_a_table_in_another_encoding_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes("ask\n发烧怎么办".encode("gb18030"))
    assert [*table(path, encoding="gb18030")] == [{"ask": "发烧怎么办"}]
    with pytest.raises(ConfigError, match=r"x\.csv is not a table in utf-8"):
        list(table(path))


def test_json_is_read_from_a_file_or_an_archive(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("[1]")
    (tmp_path / "x.json.zip").write_bytes(archive(**{"x.json": "[1]", "note.txt": ""}))
    assert document(tmp_path / "x.json") == document(tmp_path / "x.json.zip") == [1]


@pytest.mark.parametrize("name", ["x.json", "x.zip"])
def test_broken_json_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("[1")
    with pytest.raises(ConfigError, match="is not JSON"):
        document(tmp_path / name)


@pytest.mark.parametrize("content", [b"no archive", archive(other="x"), archive(**{"xl/sharedStrings.xml": "<"})])
def test_a_broken_workbook_is_an_error(content: bytes) -> None:
    with pytest.raises(ConfigError, match="not an XLSX workbook"):
        list(sheets(io.BytesIO(content)))


@given(st.dictionaries(st.sampled_from(["xl/sharedStrings.xml", "xl/worksheets/sheet1.xml", "x"]), XML))
def test_any_workbook_is_read_or_refused(files: dict[str, str]) -> None:
    with suppress(ConfigError):
        assert all(isinstance(text, str) for row in sheets(io.BytesIO(archive(**files))) for text in row.values())


def test_an_archive_gives_the_files_of_a_kind_in_order(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(archive(**{"b.txt": "2", "a.txt": "1", "c.csv": "3"}))
    assert [file.read() for file in unzipped(tmp_path / "x.zip", ".txt")] == [b"1", b"2"]


def test_a_share_of_the_keys_is_the_same_each_time_and_has_the_right_size() -> None:
    keys = [str(number) for number in range(4_000)]
    chosen = [key for key in keys if one_in(4, key)]
    assert chosen == [key for key in keys if one_in(4, key)]
    assert 850 < len(chosen) < 1_150
    assert all(one_in(1, key) for key in keys)
