"""Sets are read by name, and a name without a set is an error before anything is read."""

from pathlib import Path

import pytest

from pipeline.base.errors import ConfigError
from tests.training.classifier.sets.tables import write
from training.classifier import sets


def test_a_missing_set_is_named(tmp_path: Path) -> None:
    for use in (lambda names: list(sets.read(tmp_path, names)), lambda names: sets.check(tmp_path, names)):
        with pytest.raises(ConfigError, match=r"No training set at .*cold"):
            use(("cold",))


def test_an_unknown_set_is_named(tmp_path: Path) -> None:
    for use in (lambda names: list(sets.read(tmp_path, names)), lambda names: sets.check(tmp_path, names)):
        with pytest.raises(ConfigError, match="No such set: hatecheck"):
            use(("cold", "hatecheck"))


def test_a_row_has_its_source_and_no_markup_and_empty_rows_are_dropped(tmp_path: Path) -> None:
    write(tmp_path / "hatexplain" / "rows.csv", "text label", ('@a see "this"', 0), ("https://a.example", 1))
    assert [(row.text, row.source) for row in sets.read(tmp_path, ("hatexplain",))] == [("see this", "hatexplain")]


def test_sets_of_talk_exist() -> None:
    assert set(sets.TALK) <= set(sets.SETS)
