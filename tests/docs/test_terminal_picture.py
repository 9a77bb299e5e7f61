"""docs/demo.svg shows the texts of today's demo.

After a change, draw it anew: python -m tests.docs.terminal_picture docs/demo.svg voxwarden demo
"""

import re
from difflib import SequenceMatcher
from html import unescape
from itertools import groupby
from pathlib import Path

import pytest
from rich.text import Text

from tests.docs.terminal_picture import shown, widened

pytestmark = [pytest.mark.weights, pytest.mark.full]  # a whole demo

PICTURE = Path(__file__).parents[2] / "docs" / "demo.svg"
PIECE = re.compile(r'<text class="terminal-\S+-r\d+" x="(\S+)" y="(\S+)"[^>]*>(.*?)</text>', re.DOTALL)
ROW = re.compile(r"\d\d:\d\d:\d\d \+\d+(\.\d)? s")
INDENT = "    "
ALIKE = 0.8
"""Of two texts of the same utterance: on another processor, Whisper may write other words."""


def in_picture() -> list[str]:
    """The lines of the picture, without that of the command. A line that begins further right is indented."""
    pieces = PIECE.findall(PICTURE.read_text("utf-8"))
    lines = [[*line] for _, line in groupby(pieces, key=lambda piece: piece[1])]
    whole = [INDENT * (line[0][0] != "0") + "".join(text for *_, text in line) for line in lines]
    return [unescape(line).replace("\xa0", " ").rstrip() for line in whole][1:]


@pytest.fixture(scope="module")
def in_demo(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The lines that the demo writes to a terminal, with its data in a new folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("demo"))
        ansi = shown(["voxwarden", "demo", "--speed", "10"])
    return [line.rstrip() for line in Text.from_ansi(ansi).plain.splitlines()]


def rows(lines: list[str]) -> list[str]:
    """Each utterance in one line, without its times and its risk, in the order of room and speaker."""
    found: list[str] = []
    for line in lines:
        if ROW.match(line):
            found.append(re.sub(r"^.*?\d\.\d\d", "", line).strip())
        elif found and line.startswith(INDENT):
            found[-1] += f" {line.strip()}"
    return sorted(found, key=lambda row: row.partition(":")[0])


def other(lines: list[str]) -> list[str]:
    """What is printed before and after the utterances; its numbers differ from run to run."""
    return [
        re.sub(r"\d+", "N", line)
        for line in lines
        if line.strip() and not line.startswith(INDENT) and not ROW.match(line)
    ]


def test_the_picture_has_the_sentences_around_the_utterances(in_demo: list[str]) -> None:
    assert other(in_picture()) == other(in_demo)


def test_the_picture_has_the_utterances(in_demo: list[str]) -> None:
    drawn, spoken = rows(in_picture()), rows(in_demo)
    assert len(drawn) == len(spoken) > 10
    for old, new in zip(drawn, spoken, strict=True):
        assert SequenceMatcher(None, old, new).ratio() > ALIKE, f"the picture has {old!r}, the demo {new!r}"


def test_chinese_takes_two_columns_for_each_character() -> None:
    svg = '<text x="0" textLength="24.4" clip-path="a">你好</text><text x="9" textLength="24.4" clip-path="a">hi</text>'
    assert widened(svg) == svg.replace('"24.4" clip-path="a">你', '"48.8" clip-path="a">你')
