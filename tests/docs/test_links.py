"""Every link between the pages leads to a file that exists, and to a section of it."""

from pathlib import Path

import pytest

from tests.docs.pages import LINK, PAGES, leads_somewhere, text_of


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert [link for link in LINK.findall(text_of(page)) if not leads_somewhere(page, link)] == []


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
