"""The map from clauses to evidence names every indicator and every item of article 5."""

from pipeline.assessment.catalogue import INDICATORS
from tests.docs.pages import PAGES, text_of

TEXT = next(text_of(page) for page in PAGES if page.name == "assessment.md")
ROWS = {line.split("|")[1].strip(): line for line in TEXT.splitlines() if line.startswith("| 5(")}


def test_every_indicator_is_named() -> None:
    assert [name for name in INDICATORS if f"| {name} |" not in TEXT] == []


def test_every_item_of_article_5_has_its_indicators() -> None:
    """A range such as "I-01 to I-14" names all indicators in it."""
    assert [*ROWS] == [f"5({number})" for number in range(1, 9)]
    for name, indicator in INDICATORS.items():
        assert [item for item in indicator.items if not named(name, ROWS[item])] == [], name


def named(indicator: str, row: str) -> bool:
    if indicator in row:
        return True
    first, _, rest = row.partition(" to ")
    return bool(rest) and first[-4:] <= indicator <= rest[:4]
