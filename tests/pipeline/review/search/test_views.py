"""Saved views on both databases: one's own first, then those of the team."""

import pytest

from pipeline.base.errors import CaseError, Missing
from pipeline.review.database import Database
from pipeline.review.search import views
from tests.builders import NOON


def test_a_person_sees_their_own_views_and_shared_ones(database: Database) -> None:
    with database.write() as connection:
        views.save_view(connection, "ana", "b", "search", "q=1", False, NOON)
        mine = views.save_view(connection, "ana", "a", "search", "q=2", False, NOON)
        shared = views.save_view(connection, "ben", "0", "search", "q=3", True, NOON)
        views.save_view(connection, "ben", "private", "search", "q=4", False, NOON)
        views.save_view(connection, "ana", "queue", "queue", "label=fraud", False, NOON)
        assert [one.name for one in views.visible(connection, "ana", "search")] == ["a", "b", "0"]
        assert [one.href for one in views.visible(connection, "ana", "queue")] == ["/queue?label=fraud"]
        views.change_view(connection, mine.id, "ana", "z", True)
        views.remove_view(connection, shared.id, "ben")
        assert [one.name for one in views.visible(connection, "ben", "search")] == ["private", "z"]


def test_only_the_owner_changes_a_view(database: Database) -> None:
    with database.write() as connection:
        shared = views.save_view(connection, "ben", "x", "search", "", True, NOON)
        with pytest.raises(Missing):
            views.change_view(connection, shared.id, "ana", "y", True)
        with pytest.raises(Missing):
            views.remove_view(connection, shared.id, "ana")


def test_views_are_bounded(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "MOST", 1)
    with database.write() as connection:
        views.save_view(connection, "ben", "x", "search", "", True, NOON)
        with pytest.raises(CaseError, match="You have 1 saved views"):
            views.save_view(connection, "ben", "y", "search", "", True, NOON)
        with pytest.raises(CaseError, match="no name"):
            views.save_view(connection, "ana", " \t", "search", "", True, NOON)
