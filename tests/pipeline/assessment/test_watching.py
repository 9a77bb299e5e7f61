"""The daily watch, from the settings and the store to stored triggers."""

import pytest

from pipeline.assessment import triggers, watching
from pipeline.assessment.workdays import SHIPPED, Calendar
from pipeline.review.cases.values import Choice
from pipeline.review.database import Database
from pipeline.review.review_store import SqlReviewStore
from pipeline.settings import Settings
from tests.builders import NOON, flag

CALENDAR = Calendar((SHIPPED,))


def test_exposure_over_the_limit_of_the_settings_is_suggested_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOXWARDEN_ASSESSMENT__LIMITS", '{"I-24.listener_seconds": 5}')
    store = SqlReviewStore(database)
    (outcome,) = store.add([flag("a", 0, 1, listeners=10, flagged=("ads_spam",))], NOON + 1)
    store.decide(outcome.case, "ana", Choice(verdict="uphold"), NOON + 9)
    found = {each.signal: each for each in watching.watch(database, Settings(), CALENDAR, NOON + 60)}
    assert set(found) == {"room_type:default", "I-24.listener_seconds"}
    assert found["I-24.listener_seconds"].detail["value"] == 80.0
    assert watching.watch(database, Settings(), CALENDAR, NOON + 61) == []
    with database.read() as connection:
        assert len(triggers.all_of(connection, "suggested")) == 2
