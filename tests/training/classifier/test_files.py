"""Texts of the sets lose what speech does not have, and files are read as they are."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.errors import ConfigError
from training.classifier.files import plain, read_csv


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("RT @anna_b: look https://a.example/x?y=1 now", "look now"),
        ("&quot;fine&quot; &amp;amp; #good", "fine good"),
        ("“你好”　[USER]　朋友 [url]", "你好 朋友"),
        ("  two\n\tlines ", "two lines"),
        ("@a", ""),
        ("cat & dog, 5 < 6", "cat & dog, 5 < 6"),
    ],
)
def test_links_names_and_quotation_marks_are_removed(written: str, said: str) -> None:
    assert plain(written) == said


@given(st.text(st.sampled_from('ab 你\n@#"“[]:/;.')))
def test_a_plain_text_stays_plain(text: str) -> None:
    found = plain(text)
    assert plain(found) == found
    assert not set(found) & set('#"“\n')


def test_a_table_is_read_with_a_byte_order_mark_and_lines_inside_a_cell(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(b'\xef\xbb\xbftext,label\r\n"one\r\ntwo, three",1\r\n\xe4\xbd\xa0,0\r\n')
    assert list(read_csv(tmp_path / "rows.csv")) == [
        {"text": "one\r\ntwo, three", "label": "1"},
        {"text": "你", "label": "0"},
    ]


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"No training set at .*rows\.csv"):
        list(read_csv(tmp_path / "rows.csv"))
