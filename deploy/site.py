"""Copy the documents to build/, where `make docs` builds a site of them: `python -m deploy.site`.

The README becomes the first page. Pages and files outside of docs/ that a page links to come along, in `repository/`.
"""

import re
import shutil
from os.path import relpath
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
BUILD = ROOT / "build"
# A link or picture, with its path and anchor. Links to other hosts have a colon.
LINK = re.compile(r"(!?\[[^\]]*\])\(([^)\s#:]+)(#[^)\s]*)?\)")
# The mark of an item of a list. With more spaces before it, it is code.
ITEM = re.compile(r" {0,3}(?:[-*]|\d+\.) +(?=\S)")


def main(build: Path = BUILD) -> None:
    site = build / "docs"
    shutil.rmtree(site, ignore_errors=True)
    shutil.copytree(DOCS, site)
    shutil.copyfile(ROOT / "deploy" / "mkdocs.yml", build / "mkdocs.yml")
    waiting, done = [ROOT / "README.md", *DOCS.glob("*.md")], set[Path]()
    while waiting:
        if (file := waiting.pop()) not in done:
            done.add(file)
            waiting += _copied(file, site)


def _copied(file: Path, site: Path) -> list[Path]:
    """Copy a file, and return the files that it links to."""
    place = site / _place(file)
    place.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix != ".md":
        shutil.copyfile(file, place)
        return []
    linked: list[Path] = []

    def moved(link: re.Match[str]) -> str:
        target = (file.parent / link[2]).resolve()
        if not target.is_file():
            return link[1].strip("[]") if target.is_dir() else link[0]  # the site has no page for a folder
        linked.append(target)
        return f"{link[1]}({relpath(site / _place(target), place.parent)}{link[3] or ''})"

    place.write_text(indented(LINK.sub(moved, file.read_text("utf-8"))), "utf-8")
    return linked


def indented(text: str) -> str:
    """Indent what belongs to an item of a list by four spaces a level, as Python-Markdown needs it."""
    lines, open_items, fence = [], list[int](), False
    for line in text.split("\n"):
        depth = len(line) - len(line.lstrip())
        if line and not fence:
            while open_items and depth < open_items[-1]:
                open_items.pop()
        start = open_items[-1] if open_items else 0
        lines.append(" " * 4 * len(open_items) + line[start:] if line else line)
        fence ^= line.lstrip().startswith("```")  # inside a block of code, nothing is an item
        item = ITEM.match(line[start:])
        if item and not fence:
            open_items.append(start + item.end())
    return "\n".join(lines)


def _place(file: Path) -> Path:
    """Where the site has a file of the repository."""
    if file == ROOT / "README.md":
        return Path("index.md")
    return file.relative_to(DOCS) if file.is_relative_to(DOCS) else "repository" / file.relative_to(ROOT)


if __name__ == "__main__":
    main()
