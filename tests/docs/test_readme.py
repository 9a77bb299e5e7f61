"""The README stays short enough to be read."""

from tests.deploy.files import ROOT

MOST_WORDS = 900


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").split()) <= MOST_WORDS
