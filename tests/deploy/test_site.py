"""The copy of the documents from which `make docs` builds the site: its links lead to files in the copy."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from deploy.site import indented, main
from tests.docs.pages import LINK, leads_somewhere, text_of


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    build = tmp_path_factory.mktemp("build")
    main(build)
    return build


def pages_of(menu: object) -> Iterator[str]:
    """The pages of a menu, whose parts have titles."""
    if isinstance(menu, str):
        yield menu
    for part in menu.values() if isinstance(menu, dict) else menu if isinstance(menu, list) else ():
        yield from pages_of(part)


def test_every_link_leads_to_a_file_of_the_copy(copy: Path) -> None:
    for page in (copy / "docs").rglob("*.md"):
        links = [link for link in LINK.findall(text_of(page)) if "://" not in link]
        assert [link for link in links if not leads_somewhere(page, link)] == [], page
        assert all((page.parent / link.partition("#")[0]).resolve().is_relative_to(copy) for link in links), page


def test_the_menu_has_every_page(copy: Path) -> None:
    """Only the part before the menu has a tag, which plain YAML refuses."""
    text = (copy / "mkdocs.yml").read_text("utf-8").partition("\nnav:")[2]
    assert sorted(pages_of(yaml.safe_load(text))) == sorted(page.name for page in (copy / "docs").glob("*.md"))


def test_the_readme_is_the_first_page(copy: Path) -> None:
    first = (copy / "docs" / "index.md").read_text("utf-8")
    assert "](integrate.md)" in first
    assert "](repository/CONTRIBUTING.md)" in first
    assert (copy / "docs" / "repository" / "NOTICE").is_file()


def test_what_belongs_to_an_item_is_indented_by_four() -> None:
    """Code that only looks like a list stays as it is."""
    code = "```yaml\n- a\n```\n\n    - code\n\n"
    given = f"1. one\n   more\n   - two\n\n         code\n\n{code}- b\n  ```\n  c\n  ```\n"
    made = f"1. one\n    more\n    - two\n\n            code\n\n{code}- b\n    ```\n    c\n    ```\n"
    assert indented(given) == made
