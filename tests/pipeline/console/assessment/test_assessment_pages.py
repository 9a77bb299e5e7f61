"""The window that the reader of the assessment chooses."""

from datetime import UTC, date

import pytest

from pipeline.assessment.workdays import CHINA
from pipeline.base.errors import InputError
from pipeline.console.assessment.assessment_pages import window_of
from pipeline.review.delivery.speech_tallies import HOUR
from pipeline.review.quality.figure import Window
from tests.builders import NOON
from tests.pipeline.console.conftest import Enter

DAY = 86_400.0
TODAY = date(2026, 1, 1)


def test_the_last_day_belongs_to_the_window() -> None:
    assert window_of(date(2025, 12, 1), date(2025, 12, 2), NOON, UTC) == Window(NOON - 31.5 * DAY, NOON - 29.5 * DAY)


def test_days_are_those_of_the_zone() -> None:
    assert window_of(date(2025, 12, 1), date(2025, 12, 1), NOON, CHINA) == Window(
        NOON - 31.5 * DAY - 8 * HOUR, NOON - 30.5 * DAY - 8 * HOUR
    )


def test_the_window_ends_with_the_last_full_hour() -> None:
    assert window_of(TODAY, date(2026, 3, 1), NOON + 90, UTC) == Window(NOON - DAY / 2, NOON)


@pytest.mark.parametrize(
    ("since", "until"), [(date(2026, 1, 2), date(2026, 1, 3)), (date(2025, 1, 2), date(2025, 1, 1))]
)
def test_an_empty_window_is_refused(since: date, until: date) -> None:
    with pytest.raises(InputError, match="window is empty"):
        window_of(since, until, NOON, UTC)


def test_links_keep_the_window(enter: Enter) -> None:
    aud = enter("aud")
    assert "/assessment/indicators/I-02?days=30" in aud.get("/assessment?days=30").text
    page = aud.get("/assessment?since=2025-12-01&until=2025-12-02").text
    assert "/assessment/indicators/I-02?since=2025-12-01&amp;until=2025-12-02" in page
    assert "2025-12-01 00:00 to 2025-12-03 00:00 Beijing time" in page


@pytest.mark.parametrize("query", ["days=31", "since=2026-01-05&until=2026-01-06", "since=9999-12-31&until=9999-12-31"])
def test_a_wrong_window_is_answered_with_422(enter: Enter, query: str) -> None:
    assert enter("aud").get(f"/assessment?{query}").status_code == 422
