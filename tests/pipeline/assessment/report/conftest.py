"""A store with data and an assessment."""

from pathlib import Path

import pytest

from pipeline.assessment.report.assessments import Assessment
from pipeline.review.database import Database
from tests.pipeline.assessment.report import stored


@pytest.fixture
def filled(database: Database) -> Database:
    """A database with speech and records."""
    stored.fill(database)
    return database


@pytest.fixture
def frozen(filled: Database, tmp_path: Path) -> Assessment:
    """An assessment with a final report."""
    return stored.freeze(filled, tmp_path)
