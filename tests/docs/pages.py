"""The Markdown pages for readers, as tests read them."""

import re
from pathlib import Path

from tests.deploy.files import ROOT

FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


def text_of(page: Path) -> str:
    """Without fenced code, where `#` begins a comment."""
    return FENCED.sub("", page.read_text("utf-8"))


def anchors(page: Path) -> set[str]:
    """As a code host derives them from the headings."""
    titles = HEADING.findall(text_of(page))
    return {"".join(c for c in title.lower() if c.isalnum() or c in " -_").replace(" ", "-") for title in titles}


def leads_somewhere(page: Path, link: str) -> bool:
    """Whether a link on `page` names a file that exists and a section of it. Links to other hosts are not followed."""
    if "://" in link:
        return True
    file, _, anchor = link.partition("#")
    target = page.parent / file if file else page
    return target.exists() and (not anchor or anchor in anchors(target))
