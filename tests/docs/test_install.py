"""docs/install.md names the extras as they are, and no other text tells to install what no package index has."""

import re
import tomllib

import pytest

from tests.deploy.files import ROOT
from tests.docs.pages import PAGES

MANUAL = (ROOT / "docs" / "install.md").read_text("utf-8")
FOR_DEVELOPERS = {"bench", "dev", "docs"}
NOT_ON_AN_INDEX = re.compile(r"pip install [^\n`]*\bvoxwarden(?![-\w])")
TEXTS = [
    *(page for page in PAGES if page.name != "CHANGELOG.md"),
    *(file for room in ("agents", "pipeline") for file in sorted((ROOT / room).rglob("*.py"))),
]


def test_every_extra_has_a_row_with_its_packages() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    rows = dict(re.findall(r"^\| `(\w+)` \| .* \| (.*) \|$", MANUAL, re.MULTILINE))
    assert rows.keys() == extras.keys() - FOR_DEVELOPERS
    named = {extra: row.strip("`").split() for extra, row in rows.items() if row.startswith("`")}
    assert named == {extra: [re.split("[=><]", each)[0] for each in extras[extra]] for extra in named}
    assert rows["console"].startswith(f"{len(extras['console'])}, ")


def test_no_text_installs_voxwarden_from_an_index() -> None:
    assert [str(file) for file in TEXTS if NOT_ON_AN_INDEX.search(file.read_text("utf-8"))] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("pip install 'voxwarden[report]'", True),
        ("`pip install voxwarden`", True),
        ("pip install -e '.[report]'", False),
        ("pip install voxwarden-*.whl", False),
    ],
)
def test_an_install_from_an_index_is_found(text: str, found: bool) -> None:
    assert bool(NOT_ON_AN_INDEX.search(text)) is found
