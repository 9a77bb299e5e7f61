"""Differences without meaning disappear before the classifier reads a text."""

import pytest

from pipeline.judge.view import view


@pytest.mark.parametrize(
    ("heard", "seen"),
    [
        ("他一直看著我說話", "他一直看着我说话"),
        ("土著和特么的说法", "土著和特么的说法"),
        ("滾滾滾滾滾滾", "滚滚"),
        (" go   away\n", "go away"),
        ("noooooo", "noo"),
        ("half a \ud83d pair", "half a ? pair"),
    ],
)
def test_many_spellings_have_one_view(heard: str, seen: str) -> None:
    assert view(heard) == seen
