"""The table of the sources of voices."""

from pathlib import Path

import training.voices
from training.sound.collect import Side, sources

TABLE = Path(training.voices.__file__).parent / "sources.tsv"
SIDES: tuple[Side, ...] = ("train", "validate", "test")


def test_no_source_is_on_two_sides() -> None:
    names = [each.name for side in SIDES for each in sources(side, TABLE)]
    assert len(names) == len({*names})
    files = [each.files for side in SIDES for each in sources(side, TABLE)]
    assert len(files) == len({*files})


def test_nothing_that_may_only_be_measured_trains() -> None:
    taught = [*sources("train", TABLE), *sources("validate", TABLE)]
    assert not [each.name for each in taught if "measuring" in each.licence or "non-commercial" in each.licence.lower()]


def test_the_synthesisers_of_the_sides_differ() -> None:
    engines = {
        side: {each.name.split("-")[0] for each in sources(side, TABLE) if each.kind == "synthetic"} for side in SIDES
    }
    assert not engines["train"] & engines["validate"]
    assert engines["train"] & engines["test"] == {"kokoro"}, "other voices of Kokoro are tested, too"
