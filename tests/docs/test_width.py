"""Lines of the pages fit into an editor beside other text."""

from pathlib import Path

import pytest

from tests.docs.pages import PAGES, text_of

WIDEST = 120


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_no_line_is_too_wide(page: Path) -> None:
    """A row of images cannot be broken."""
    lines = enumerate(text_of(page).splitlines(), start=1)
    assert [number for number, line in lines if len(line) > WIDEST and "![" not in line] == []
