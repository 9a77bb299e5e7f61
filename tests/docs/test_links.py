"""Every link between the pages leads to a file that exists, and to a section of it, and every page is reached."""

from pathlib import Path

import pytest

from tests.deploy.files import ROOT
from tests.docs.pages import LINK, PAGES, leads_somewhere, text_of


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert [link for link in LINK.findall(text_of(page)) if not leads_somewhere(page, link)] == []


def test_every_page_is_reached_from_the_readme() -> None:
    reached, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        if (page := waiting.pop()) in PAGES and page not in reached:
            reached.add(page)
            waiting += [(page.parent / link.partition("#")[0]).resolve() for link in LINK.findall(text_of(page))]
    assert [page.name for page in PAGES if page not in reached] == []


@pytest.mark.parametrize(
    ("link", "found"),
    [
        ("there.md", True),
        ("there.md#a-task-in-words", True),
        ("#own-section", True),
        ("https://example.org/page#x", True),
        ("gone.md", False),
        ("there.md#gone", False),
        ("there.md#a-comment", False),
    ],
)
def test_a_broken_link_is_found(tmp_path: Path, link: str, found: bool) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Own section\n", "utf-8")
    (tmp_path / "there.md").write_text("## A task, in `words`\n```python\n# a comment\n```\n", "utf-8")
    assert leads_somewhere(page, link) is found
