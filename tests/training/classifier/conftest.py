"""Trainings without the readings of 9,000 real lines."""

from collections.abc import Iterator

import pytest

from training.classifier import noise


@pytest.fixture(autouse=True, scope="package")
def no_readings() -> Iterator[None]:
    """Each training counts the sounds of all readings, which takes a second and matters to no test here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(noise, "round_trips", dict)
        yield
