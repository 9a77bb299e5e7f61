"""The blocks of a page as a reader uses them: what is typed into a terminal, what is saved as a file, what is shown."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Literal

PROGRAMS = re.compile(
    r"(?:\.|[A-Z_]+=\S+|\S+/server|curl|docker|echo|export|go|make|npm|pip|podman|python3?|voxwarden) "
)
SAVED = re.compile(r"`([\w-]+\.(?:py|yaml))`")
FENCE = re.compile(r"```(\w*)")


@dataclass(frozen=True, slots=True)
class Block:
    kind: Literal["commands", "file", "output"]
    text: str
    name: str = ""
    """Of a file: the last name of a file in the paragraph before the block."""


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of these kinds, in order. Others, e.g. an address or JSON, are to be read only."""
    before = ""
    for part in _parts(page.read_text("utf-8").splitlines()):
        fence, text = FENCE.match(part), dedent(part)
        if fence is None and not part.startswith("    "):
            before = part
        elif fence is None and PROGRAMS.match(text):
            yield Block("commands", text)
        elif fence and fence[1] == "output":
            yield Block("output", _inside(part))
        elif (
            fence and (names := SAVED.findall(before)) and names[-1].endswith({"python": "py"}.get(fence[1], fence[1]))
        ):
            yield Block("file", _inside(part), names[-1])
            before = ""


def commands(block: Block) -> list[str]:
    """The commands of a block. A line that ends with a backslash, or inside quotation marks, goes on."""
    found = [""]
    for line in block.text.replace("\\\n", "").splitlines():
        found[-1] += line
        try:
            shlex.split(found[-1], comments=True)
        except ValueError:
            found[-1] += "\n"
        else:
            found.append("")
    return found[:-1]


def _parts(lines: list[str]) -> Iterator[str]:
    """Paragraphs, indented blocks and fenced blocks."""
    part: list[str] = []
    for line in [*lines, ""]:
        fenced = bool(part) and part[0].startswith("```")
        if not fenced and (not line or line.startswith("```")):
            if part:
                yield "\n".join(part)
            part = []
        if line or fenced:
            part.append(line)
        if fenced and line == "```":
            yield "\n".join(part)
            part = []


def _inside(fenced: str) -> str:
    return "\n".join(fenced.splitlines()[1:-1]) + "\n"
